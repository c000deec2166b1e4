//! That the accounts of a run can be wrong: they are right without a swap, and a crash is in all of them.

use crate::{load::Run, scale::Scale, site::Site};

fn scale() -> Scale {
    Scale { requests: 300, ..Scale::small() }
}

fn clients() -> usize {
    scale().plans().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_swap_all_is_well() {
    let report = Run::start(&scale(), Site::alone).await.finish().await;
    assert_eq!((report.wrong(), report.sockets), (0, clients()), "{report}");
    assert_eq!(report.counts.echoed, report.counts.sent, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_is_in_the_accounts() {
    let mut run = Run::start(&scale(), Site::alone).await;
    run.crash().await;
    let report = run.finish().await;
    println!("{report}");
    assert_eq!(report.counts.closed, clients() as u64, "{report}");
    // Those whose message was cut, and those who did not read.
    assert!(report.counts.lost >= 6, "{report}");
    assert!(report.failed > 0, "{report}");
}
