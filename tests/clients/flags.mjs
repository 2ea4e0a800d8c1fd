// SPDX-License-Identifier: Apache-2.0
// OpenFeature's server SDK asks for a placement and a segment; nothing is counted until it is shown.
import { createRequire } from 'node:module';
import assert from 'node:assert/strict';

const require = createRequire(import.meta.url);

export async function checkFlags(server, key, writeKey) {
    // A decision can be told by its token where somebody is known to have it.
    const identified = await fetch(`${server.url}/v1/identify`, {
        method: 'POST', headers: { authorization: `Basic ${btoa(`${writeKey}:`)}`, 'content-type': 'application/json' },
        body: JSON.stringify({ userId: 'flag-user', traits: { plan: 'gold' } }),
    });
    assert.equal(identified.status, 200);
    const { OpenFeature } = require('@openfeature/server-sdk');
    const { OFREPProvider } = require('@openfeature/ofrep-provider');
    await OpenFeature.setProviderAndWait(new OFREPProvider({
        baseUrl: server.url, headers: [['Authorization', `Bearer ${key}`]],
    }));
    const client = OpenFeature.getClient();
    const who = { targetingKey: 'user:flag-user' };
    const flag = await client.getStringDetails('home_banner', 'default', who);
    assert.equal(flag.value, 'welcome');
    assert.equal(flag.variant, 'welcome');
    assert.equal(flag.reason, 'TARGETING_MATCH');
    assert.equal(flag.flagMetadata.channel, 'web');
    assert.equal(await client.getBooleanValue('keen', true, who), false);
    const unknown = await client.getStringDetails('home_baner', 'default', who);
    assert.equal(unknown.value, 'default');
    assert.equal(unknown.errorCode, 'FLAG_NOT_FOUND');
    assert.equal((await client.getStringDetails('home_banner', 'default', {})).errorCode, 'TARGETING_KEY_MISSING');
    // Evaluated, and nothing recorded; shown by the token, and there it is, once.
    assert.deepEqual((await server.timeline('user:flag-user')).map((event) => event.event), ['Customer Record']);
    const tell = () => fetch(`${server.url}/v1/outcome`, {
        method: 'POST', headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: JSON.stringify({ decision: flag.flagMetadata.token, outcome: 'shown' }),
    });
    assert.equal((await tell()).status, 200);
    assert.equal((await tell()).status, 200);
    const names = (await server.timeline('user:flag-user')).map((event) => event.event);
    assert.equal(names.filter((name) => name === 'Treatment Shown').length, 1);
    assert.equal(names.filter((name) => name === 'Decision Made').length, 1);
    await OpenFeature.close();
}
