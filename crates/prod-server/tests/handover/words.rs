//! The texts that clients send: each says who sent it and which one it is, and can be made again to be compared.

/// Characters of one to four bytes.
const LETTERS: [char; 16] =
    ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', '0', '1', '"', '\\', 'é', '日', '🙂', ' '];

/// How long the words are that a long text repeats, counting.
const BLOCK: usize = 1000;

/// The text with a number from a client: of as many bytes, and up to three more where a character ends.
pub(crate) fn text(client: usize, number: u64, size: usize) -> String {
    let mut text = format!("{client}:{number}:");
    let block = block(client, number, size.min(BLOCK));
    for count in 0.. {
        let left = size.saturating_sub(text.len());
        if left < block.len() {
            let end = (left..=block.len()).find(|end| block.is_char_boundary(*end)).unwrap_or(0);
            text.push_str(&block[..end]);
            break;
        }
        text.push_str(&block);
        text.push_str(&format!("{count}"));
    }
    text
}

fn block(client: usize, number: u64, size: usize) -> String {
    let mut block = String::new();
    let mut random =
        (client as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ number.wrapping_mul(0xD1B5_4A32_D192_ED03);
    while block.len() < size {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        block.extend((0..16).map(|nibble| LETTERS[(random >> (4 * nibble)) as usize & 0xF]));
    }
    block
}

/// Which number a text of this client has, if it is one.
pub(crate) fn number(client: usize, text: &str) -> Option<u64> {
    let (from, rest) = text.split_once(':')?;
    let (number, _) = rest.split_once(':')?;
    if from.parse() == Ok(client) { number.parse().ok() } else { None }
}

/// How large the message with a number is: most of them small.
pub(crate) fn small_size(client: usize, number: u64) -> usize {
    const SIZES: [usize; 10] = [10, 20, 40, 80, 120, 126, 200, 400, 1000, 10];
    match (number + client as u64) % 50 {
        49 => 20_000,
        turn => SIZES[turn as usize % SIZES.len()],
    }
}

/// How large the message with a number is from a client that also sends large ones.
pub(crate) fn large_size(client: usize, number: u64) -> usize {
    match number % 10 {
        4 => 100_000 + (client + number as usize) * 7919 % 300_000,
        _ => small_size(client, number),
    }
}

#[test]
fn texts_have_their_size_and_their_number_and_differ() {
    for size in [10, 11, 1000, 400_000] {
        let text = text(7, 12, size);
        assert!((size..size + 4).contains(&text.len()), "{}", text.len());
        assert_eq!((number(7, &text), number(8, &text)), (Some(12), None));
    }
    assert_ne!(text(7, 12, 100).as_bytes()[10..], text(7, 13, 100).as_bytes()[10..]);
    assert_eq!(text(7, 12, 100), text(7, 12, 100));
}
