// SPDX-License-Identifier: Apache-2.0
// attune serve as a child process: started, killed, started again on the same port, and asked.
import { spawn, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));
const START_SECONDS = 30;

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** A port of loopback that was free a moment ago. */
export async function freePort() {
    const probe = createServer();
    await new Promise((done) => probe.listen(0, '127.0.0.1', done));
    const { port } = probe.address();
    await new Promise((done) => probe.close(done));
    return port;
}

export class Server {
    constructor(binary, origin) {
        this.binary = binary;
        this.origin = origin;
        this.folder = mkdtempSync(join(tmpdir(), 'attune-clients-'));
        this.directory = join(this.folder, 'data');
        this.child = null;
    }

    get url() {
        return `http://127.0.0.1:${this.port}`;
    }

    attune(...words) {
        return execFileSync(this.binary, [...words, '--dir', this.directory], { encoding: 'utf8' });
    }

    key(...words) {
        return JSON.parse(this.attune('key', 'add', ...words, '--json')).key;
    }

    async start() {
        this.port ??= await freePort();
        this.child = spawn(this.binary, [
            'serve', '--dir', this.directory, '--playbook', join(HERE, 'playbook.yaml'),
            '--port', String(this.port), '--threads', '2', '--origin', this.origin,
        ], { stdio: ['ignore', 'ignore', 'pipe'] });
        this.log = '';
        this.child.stderr.on('data', (bytes) => { this.log = (this.log + bytes).slice(-20000); });
        this.ended = new Promise((done) => this.child.on('exit', (code, signal) => done({ code, signal })));
        for (let waited = 0; waited < START_SECONDS * 20; waited++) {
            try {
                if ((await fetch(`${this.url}/health/ready`)).ok) return;
            } catch { /* not yet */ }
            if (this.child.exitCode !== null) break;
            await sleep(50);
        }
        throw new Error(`attune serve is not ready; its log:\n${this.log}`);
    }

    async kill() {
        this.child.kill('SIGKILL');
        await this.ended;
    }

    async stop() {
        if (this.child !== null && this.child.exitCode === null && this.child.signalCode === null) {
            this.child.kill('SIGTERM');
            const { code } = await this.ended;
            if (code !== 0) throw new Error(`attune serve ended with ${code}; its log:\n${this.log}`);
        }
        rmSync(this.folder, { recursive: true, force: true });
    }

    async ask(path, body) {
        const answer = await fetch(this.url + path, {
            method: body === undefined ? 'GET' : 'POST',
            headers: { authorization: `Bearer ${this.asking}`, 'content-type': 'application/json' },
            body: body === undefined ? undefined : JSON.stringify(body),
        });
        return { status: answer.status, body: await answer.json() };
    }

    /** All events of a customer, oldest first; none where nobody has the identifier. */
    async timeline(customer) {
        const events = [];
        let next = '';
        do {
            const cursor = next === '' ? '' : `&cursor=${encodeURIComponent(next)}`;
            const page = await this.ask(`/v1/customers/${encodeURIComponent(customer)}/timeline?limit=1000${cursor}`);
            if (page.status === 404) return [];
            if (page.status !== 200) throw new Error(JSON.stringify(page.body));
            events.push(...page.body.events);
            next = page.body.next;
        } while (next);
        return events.reverse();
    }
}
