// @ts-check
/** The SDK for JavaScript in Chromium. */
import { Browser } from '../harness/browser.js';
import { OpenServer } from '../harness/open-server.js';
import { scenarios } from '../harness/scenario.js';
import { SdkPage } from '../harness/sdk-page.js';
import { facts } from '../sdk/facts.js';

/** @type {SdkPage} */
let page;

const scenario = scenarios(async (run) => {
	const [{ origin }, browser] = await Promise.all([OpenServer.start(run), Browser.start(run)]);
	page = await SdkPage.open(browser, origin);
});

for (const fact of Object.keys(facts)) {
	scenario(`in_chromium_${fact}`, () => page.prove(fact));
}
