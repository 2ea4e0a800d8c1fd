// SPDX-License-Identifier: Apache-2.0
// Real clients, unchanged, against attune serve: what they send arrives exactly once with the right
// fields, also where the server is killed (SIGKILL) and started again while they send.
//
//   node tests/clients/run.mjs ATTUNE [NAME…]      NAME: a part of a client's name
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import assert from 'node:assert/strict';
import { Browser, servePages } from './browser.mjs';
import { nodeClients, pages, view } from './clients.mjs';
import { checkFlags } from './flags.mjs';
import { Server, sleep } from './server.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const STEPS = 20;
const ARRIVAL_SECONDS = 60;
const [binary, ...wanted] = process.argv.slice(2);
let failures = 0;

async function test(name, run) {
    if (wanted.length > 0 && !wanted.some((word) => name.includes(word))) return;
    try {
        await run();
        console.log(`ok     ${name}`);
    } catch (error) {
        failures++;
        console.log(`not ok ${name}\n${String(error.stack ?? error).replace(/^/gm, '       ')}`);
    }
}

/** Kills the server in the middle of what `send` sends, and starts it again. */
async function sendThroughDeath(server, send, kills) {
    for (let step = 0; step < STEPS; step++) {
        await send(step);
        if (kills && step === STEPS / 2) {
            await server.kill();
            for (let more = 0; more < 3 && ++step < STEPS; more++) await send(step);
            await sleep(500);
            await server.start();
        }
        await sleep(20);
    }
}

/** Waits for all steps, then a little longer for what should not come twice. */
async function arrived(server, customer) {
    const views = async () => (await server.timeline(customer)).filter((event) => event.event === 'Product Viewed');
    for (let waited = 0; waited < ARRIVAL_SECONDS * 4 && (await views()).length < STEPS; waited++) await sleep(250);
    await sleep(1000);
    return views();
}

function checkViews(events, run) {
    const seen = events.map((event) => event.properties.step).sort((a, b) => a - b);
    assert.deepEqual(seen, [...Array(STEPS).keys()], `each step exactly once, of run ${run}`);
    for (const event of events) {
        const expected = view(run, event.properties.step);
        for (const name of Object.keys(expected)) assert.equal(event.properties[name], expected[name], name);
        assert.ok(Math.abs(Date.parse(event.time) - Date.now()) < 10 * 60000, `its time is ${event.time}`);
    }
}

async function checkRecord(server, customer) {
    const records = (await server.timeline(customer)).filter((event) => event.event === 'Customer Record');
    assert.equal(records.length, 1, 'one identify');
    assert.equal(records[0].properties.plan, 'gold');
}

async function throughNode(server, key, name, kills) {
    const run = `${name.replace(/\W+/g, '-')}-${kills ? 'killed' : 'plain'}`;
    const client = nodeClients[name](server.url, key, run);
    client.identify();
    await sendThroughDeath(server, async (step) => { client.send(step); }, kills);
    await client.flush();
    checkViews(await arrived(server, `user:${run}`), run);
    await checkRecord(server, `user:${run}`);
    // Who has the e-mail address of the record is the same customer.
    checkViews(await arrived(server, `email:${run}@a.example`), run);
}

/** The shop's own server knows the customer; what a page says of who it is, is a claim. */
async function makeKnown(server, key, run) {
    const answer = await fetch(`${server.url}/v1/identify`, {
        method: 'POST', headers: { authorization: `Basic ${btoa(`${key}:`)}`, 'content-type': 'application/json' },
        body: JSON.stringify({ userId: run, traits: { plan: 'silver' } }),
    });
    assert.equal(answer.status, 200);
}

async function throughPage(server, origin, browser, page, shop, kills) {
    const run = `${page.replace(/\W+/g, '-')}-${kills ? 'killed' : 'plain'}`;
    await makeKnown(server, shop, run);
    await browser.newDevice(origin + page); // a device counts for the first whom it claims to be
    for (let waited = 0; !(await browser.run('return window.ready === true')); waited++) {
        assert.ok(waited < 100, `${page} is not ready`);
        await sleep(200);
    }
    await browser.run('window.identify(arguments[0])', run);
    await sendThroughDeath(server, (step) => browser.run('window.send(arguments[0], arguments[1])', run, step), kills);
    const events = await arrived(server, `user:${run}`);
    checkViews(events, run);
    for (const event of events) assert.equal(event.trust, 'claimed');
}

async function main() {
    const site = { pages: {} };
    const pageServer = await servePages(HERE, site.pages);
    const server = new Server(binary, pageServer.origin);
    const profile = mkdtempSync(join(tmpdir(), 'attune-browser-'));
    const browser = new Browser();
    try {
        server.port = undefined;
        const shop = server.key('--write', '--source', 'shop', '--name', 'shop');
        const page = server.key('--write', '--source', 'page', '--public', '--name', 'page');
        const decide = server.key('--decide', '--name', 'decide');
        server.asking = server.key('--read', '--name', 'read');
        await server.start();
        Object.assign(site.pages, pages(server.url, page));
        for (const name of Object.keys(nodeClients)) {
            for (const kills of [false, true])
                await test(`${name}${kills ? ', the server killed' : ''}`, () => throughNode(server, shop, name, kills));
        }
        await test('@openfeature/server-sdk with ofrep-provider', () => checkFlags(server, decide, shop));
        const driver = Browser.find();
        if (driver === null) {
            console.log('skip   browsers: chromium and chromedriver are not installed (Debian: chromium, chromium-driver)');
        } else {
            await browser.open(driver, profile);
            for (const path of Object.keys(site.pages)) {
                for (const kills of [false, true])
                    await test(`${path} in Chromium${kills ? ', the server killed' : ''}`,
                        () => throughPage(server, pageServer.origin, browser, path, shop, kills));
            }
        }
    } finally {
        if (browser.child) await browser.close();
        await server.stop();
        pageServer.close();
        rmSync(profile, { recursive: true, force: true });
    }
    console.log(failures === 0 ? 'all clients passed' : `${failures} failed`);
    process.exit(failures === 0 ? 0 : 1);
}

await main();
