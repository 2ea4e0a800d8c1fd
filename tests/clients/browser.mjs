// SPDX-License-Identifier: Apache-2.0
// A page of our own in the system's Chromium, driven through chromedriver (W3C WebDriver).
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { freePort, sleep } from './server.mjs';

const TYPES = { '.js': 'text/javascript', '.mjs': 'text/javascript', '.html': 'text/html', '.map': 'application/json' };

/** Serves pages, and the files of installed packages below /modules/, on loopback. */
export async function servePages(folder, pages) {
    const server = createServer((request, response) => {
        const path = normalize(new URL(request.url, 'http://localhost').pathname);
        const file = join(folder, 'node_modules', path.replace(/^\/modules\//, ''));
        if (pages[path] !== undefined) {
            response.writeHead(200, { 'content-type': 'text/html' }).end(pages[path]);
        } else if (path.startsWith('/modules/') && existsSync(file)) {
            response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'text/plain' }).end(readFileSync(file));
        } else {
            response.writeHead(404).end();
        }
    });
    await new Promise((done) => server.listen(0, '127.0.0.1', done));
    return { origin: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

export class Browser {
    static find() {
        const driver = ['/usr/bin/chromedriver', '/usr/lib/chromium/chromedriver'].find(existsSync);
        return driver !== undefined && existsSync('/usr/bin/chromium') ? driver : null;
    }

    async open(driver, profile) {
        const port = await freePort();
        this.child = spawn(driver, [`--port=${port}`], { stdio: 'ignore' });
        this.base = `http://127.0.0.1:${port}/session`;
        const wanted = {
            capabilities: { alwaysMatch: { 'goog:chromeOptions': {
                binary: '/usr/bin/chromium',
                args: ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', `--user-data-dir=${profile}`],
            } } },
        };
        for (let attempt = 0; ; attempt++) {
            try {
                this.session = (await this.call('POST', '', wanted)).sessionId;
                return;
            } catch (error) {
                if (attempt === 100) throw error;
                await sleep(200);
            }
        }
    }

    async call(method, path, body) {
        const base = this.session === undefined ? this.base : `${this.base}/${this.session}`;
        const answer = await fetch(base + path, { method, body: body === undefined ? undefined : JSON.stringify(body) });
        const { value } = await answer.json();
        if (!answer.ok) throw new Error(`${path}: ${value.message}`);
        return value;
    }

    go(url) {
        return this.call('POST', '/url', { url });
    }

    /** Opens a page that this browser has never seen. */
    async newDevice(url) {
        await this.go(url);
        await this.run('localStorage.clear(); sessionStorage.clear();');
        await this.call('DELETE', '/cookie');
        await this.go(url);
    }

    /** Runs a function of the page that may return a promise. */
    run(script, ...args) {
        return this.call('POST', '/execute/sync', { script, args });
    }

    async close() {
        try {
            if (this.session !== undefined) await this.call('DELETE', '');
        } finally {
            this.child.kill('SIGTERM');
        }
    }
}
