// SPDX-License-Identifier: Apache-2.0
// The clients, unchanged, as their documents say to use them. Each sends Product Viewed events with
// run and step; `send(step)` gives one to the client, `flush()` waits until it has sent what it has.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

export const nodeClients = {
    '@segment/analytics-node': (url, key, run) => {
        const { Analytics } = require('@segment/analytics-node');
        const client = new Analytics({ writeKey: key, host: url, flushInterval: 200, maxEventsInBatch: 5, maxRetries: 20 });
        client.on('error', () => {});
        return {
            identify: () => client.identify({ userId: run, traits: { email: `${run}@a.example`, plan: 'gold' } }),
            send: (step) => client.track({ userId: run, event: 'Product Viewed', properties: view(run, step) }),
            flush: () => client.closeAndFlush({ timeout: 60000 }),
        };
    },
    '@rudderstack/rudder-sdk-node': (url, key, run) => {
        const Analytics = require('@rudderstack/rudder-sdk-node');
        const client = new (Analytics.default ?? Analytics)(key, {
            dataPlaneUrl: url, flushAt: 5, flushInterval: 200, retryCount: 20,
            axiosRetryConfig: { retries: 20, retryDelay: () => 250 }, errorHandler: () => {}, logLevel: 'silly',
        });
        return {
            identify: () => client.identify({ userId: run, traits: { email: `${run}@a.example`, plan: 'gold' } }),
            send: (step) => client.track({ userId: run, event: 'Product Viewed', properties: view(run, step) }),
            flush: () => client.flush(),
        };
    },
    // Sends each event at once and never again, so it is given a fetch that does.
    '@jitsu/js': (url, key, run) => {
        const { jitsuAnalytics } = require('@jitsu/js');
        const client = jitsuAnalytics({ host: url, writeKey: `key:${key}`, fetch: patientFetch, errorPolicy: 'rethrow' });
        const sent = [];
        return {
            identify: () => sent.push(client.identify(run, { email: `${run}@a.example`, plan: 'gold' })),
            send: (step) => sent.push(client.track('Product Viewed', view(run, step))),
            flush: () => Promise.all(sent),
        };
    },
};

/** fetch that sends the same again where nobody answers, or the answer says so. */
export async function patientFetch(url, options) {
    for (let attempt = 0; ; attempt++) {
        try {
            const answer = await fetch(url, options);
            if (answer.status < 500 && answer.status !== 429) return answer;
        } catch (error) {
            if (attempt === 200) throw error;
        }
        await new Promise((done) => setTimeout(done, 250));
    }
}

export function view(run, step) {
    return { sku: `sku-${step}`, price: step + .25, run, step };
}

/** Pages: each defines window.ready, window.identify(run), window.send(run, step). */
export function pages(url, key) {
    const views = `const view = ${view.toString()};`;
    return {
        '/segment.html': `<!doctype html><script src="/modules/@segment/analytics-next/dist/umd/index.js"></script><script>${views}</script>
<script>
  window.ready = false;
  const { AnalyticsBrowser } = window.AnalyticsNext ?? window;
  const client = AnalyticsBrowser.load(
    { writeKey: '${key}', cdnURL: '${url}' },
    { integrations: { 'Segment.io': { apiHost: '${url.replace('http://', '')}/v1', protocol: 'http', deliveryStrategy: { strategy: 'batching', config: { size: 5, timeout: 300 } } } } });
  client.ready(() => { window.ready = true; });
  client.then(() => { window.ready = true; });
  window.identify = (run) => client.identify(run, { plan: 'gold' });
  window.send = (run, step) => client.track('Product Viewed', view(run, step));
</script>`,
        '/rudder.html': `<!doctype html><script>${views}</script>
<script type="module">
  import { RudderAnalytics } from '/modules/@rudderstack/analytics-js/dist/npm/modern/bundled/esm/index.mjs';
  const client = new RudderAnalytics();
  client.load('${key}', '${url}', { configUrl: '${url}', queueOptions: { maxAttempts: 50, minRetryDelay: 250, maxRetryDelay: 500 },
    storage: { encryption: { version: 'legacy' } }, sendAdblockPage: false, useBeacon: false });
  client.ready(() => { window.ready = true; });
  window.identify = (run) => client.identify(run, { plan: 'gold' });
  window.send = (run, step) => client.track('Product Viewed', view(run, step));
</script>`,
        '/jitsu.html': `<!doctype html><script>${views}</script>
<script type="module">
  import { jitsuAnalytics } from '/modules/@jitsu/js/dist/jitsu.es.js';
  const patientFetch = ${patientFetch.toString()};
  const client = jitsuAnalytics({ host: '${url}', writeKey: 'key:${key}', fetch: patientFetch });
  window.identify = (run) => { client.identify(run, { plan: 'gold' }); };
  window.send = (run, step) => { client.track('Product Viewed', view(run, step)); };
  window.ready = true;
</script>`,
    };
}
