// SPDX-License-Identifier: MIT
//
// wssd and a real browser: Chromium verifies the certificate itself, a page
// from https://localhost talks to wss://localhost, and sees how a stop of the
// daemon ends its connection.  The page of etc/demo comes from wssd itself.
//
// Needs WSSD_BIN (the folder of wssd and wssctl), chromium, certutil, openssl
// and `npm ci` in this folder; exits with 77 when one of them is missing, or
// with 1 when WSSD_NO_SKIP says that they have to be there.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import assert from 'node:assert/strict';

import { Daemon } from './daemon.mjs';
import { makeCertificates, makeHome } from './pki.mjs';

const CHROMIUM = process.env.WSSD_CHROMIUM ?? '/usr/bin/chromium';
const SKIPPED = 77;
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic',
	'--no-first-run', '--disable-background-networking',
	'--disable-component-update', '--disable-sync'];
const TIMEOUT_MS = 15000;

function skip(what) {
	console.log(`skipped: ${what} is missing`);
	process.exit(process.env.WSSD_NO_SKIP ? 1 : SKIPPED);
}

async function loadPlaywright() {
	if (!existsSync(CHROMIUM))
		skip(CHROMIUM);
	for (const tool of ['certutil', 'openssl'])
		if (spawnSync(tool, ['--help']).error)
			skip(tool);
	try {
		return (await import('playwright-core')).chromium;
	} catch {
		return skip('playwright-core (npm ci)');
	}
}

// The page comes from the same certificate, over https.
function servePage(dir) {
	const server = createServer({
		cert: readFileSync(join(dir, 'cert.pem')),
		key: readFileSync(join(dir, 'key.pem')),
	}, (request, response) => {
		response.setHeader('Content-Type', 'text/html');
		response.end('<!doctype html><title>wssd</title>');
	});

	return new Promise((resolve, reject) => {
		server.once('error', reject);
		server.listen(0, '127.0.0.1', () => resolve(server));
	});
}

async function withBrowser(chromium, home, work) {
	const browser = await chromium.launch({
		executablePath: CHROMIUM,
		headless: true,
		args: FLAGS,
		env: { ...process.env, HOME: home },
	});

	try {
		const page = await browser.newPage();

		page.setDefaultTimeout(TIMEOUT_MS);
		await work(page);
	} finally {
		await browser.close();
	}
}

// Runs in the page: whether a WebSocket opens.  How it ends becomes
// testEnd, a promise.
function connect(url) {
	const ws = new WebSocket(url);

	globalThis.testSocket = ws;
	globalThis.testEnd = new Promise((resolve) => {
		ws.onclose = (e) => resolve({ code: e.code,
			reason: e.reason, wasClean: e.wasClean });
	});
	return new Promise((resolve) => {
		ws.onopen = () => resolve(true);
		ws.onerror = () => resolve(false);
	});
}

function end(page) {
	return page.evaluate(() => globalThis.testEnd);
}

// Runs in the page: the answers to the given messages, in order.
function converse(messages) {
	const ws = globalThis.testSocket;

	return new Promise((resolve) => {
		const answers = [];

		ws.onmessage = (e) => {
			answers.push(e.data);
			if (answers.length === messages.length)
				resolve(answers);
		};
		for (const message of messages)
			ws.send(message);
	});
}

async function refused(page, url) {
	assert.equal(await page.evaluate(connect, url), false,
	    `${url} was accepted`);
	assert.equal((await end(page)).code, 1006);
}

// Without the CA nothing connects: so the other tests do verify.
async function testUntrusted(t) {
	const port = await t.daemon.start();

	await withBrowser(t.chromium, t.plainHome, async (page) => {
		await refused(page, `wss://localhost:${port}/`);
		await assert.rejects(page.goto(t.pageUrl),
		    /ERR_CERT_AUTHORITY_INVALID/);
	});
	assert.equal(t.daemon.wssctl('stop').status, 0);
	await t.daemon.ended();
}

// A trusted CA does not help a certificate for another name.
async function testWrongName(t) {
	const port = await t.daemon.start();

	await withBrowser(t.chromium, t.home, async (page) => {
		await page.goto(t.pageUrl);
		await refused(page, `wss://127.0.0.1:${port}/`);
	});
	assert.equal(t.daemon.wssctl('stop').status, 0);
	await t.daemon.ended();
}

// What Chromium compresses comes back, and it reads what wssd compresses.
async function testCompression(t) {
	const port = await t.daemon.start();
	const messages = ['', 'tom', 'grüße '.repeat(200), 'x'.repeat(60000),
		...Array.from({ length: 50 }, (_, i) => `{"number":${i}}`)];

	await withBrowser(t.chromium, t.home, async (page) => {
		await page.goto(t.pageUrl);
		for (const path of ['shared', 'dedicated']) {
			assert.ok(await page.evaluate(connect,
			    `wss://localhost:${port}/${path}`));
			assert.match(await page.evaluate(
			    () => globalThis.testSocket.extensions),
			/^permessage-deflate; .*server_max_window_bits=12/);
			assert.deepEqual(await page.evaluate(converse,
			    messages), messages);
			await page.evaluate(
			    () => globalThis.testSocket.close(1000));
			assert.equal((await end(page)).code, 1000);
		}
	});
	assert.equal(t.daemon.wssctl('stop').status, 0);
	await t.daemon.ended();
}

// "tom" gets "ok"; then the daemon is stopped with the given command.
async function talkAndStop(t, command) {
	const port = await t.daemon.start();

	await withBrowser(t.chromium, t.home, async (page) => {
		await page.goto(t.pageUrl);
		assert.ok(await page.evaluate(connect,
		    `wss://localhost:${port}/`), 'it was refused');
		assert.deepEqual(await page.evaluate(converse, ['tom']),
		    ['ok']);
		assert.deepEqual(await page.evaluate(converse,
		    ['', 'grüße', 'x'.repeat(60000)]), ['ok', 'ok', 'ok']);
		const stop = t.daemon.wssctl(...command);

		assert.equal(stop.status, 0, stop.stderr);
		const { code, reason, wasClean } = await end(page);

		assert.equal(code, 1001);
		assert.notEqual(reason, '');
		assert.equal(wasClean, true);
		console.log(`   close 1001 "${reason}"`);
	});
	await t.daemon.ended();
}

// The page that etc/quickstart shows, as a person uses it.
async function testDemoPage(t) {
	const port = await t.daemon.start();
	const url = `localhost:${port}/`;

	await withBrowser(t.chromium, t.home, async (page) => {
		const log = page.locator('#log');
		const state = (wanted) => page.waitForSelector(
		    `body[data-state=${wanted}]`);
		const errors = [];

		page.on('pageerror', (error) => errors.push(error));
		page.on('console', (message) => message.type() === 'error' &&
		    errors.push(message.text()));
		await page.goto(`https://${url}`);
		assert.equal(await page.inputValue('#url'), `wss://${url}`);
		await page.click('#connect');
		await state('open');
		for (const text of ['tom', '<b>grüße</b>']) {
			await page.fill('#text', text);
			await page.press('#text', 'Enter');
		}
		await page.waitForFunction(() =>
		    document.querySelectorAll('#log .in').length === 2);
		assert.deepEqual((await log.locator('div').allTextContents())
		    .sort(), [`connecting to wss://${url}`, 'open', 'tom',
			'<b>grüße</b>', 'ok', 'ok'].sort());
		await page.click('#connect');
		await state('closed');
		await page.click('#connect');
		await state('open');
		assert.equal(t.daemon.wssctl('stop').status, 0);
		await state('closed');
		assert.match(await log.innerText(), /closed, code 1000/);
		assert.match(await log.innerText(), /closed, code 1001 "/);
		assert.deepEqual(errors, []);
		await page.fill('#url', 'nonsense://');
		await page.click('#connect');
		await state('closed');
		assert.match(await log.innerText(), /does not work/);
	});
	await t.daemon.ended();
}

const TESTS = [
	['without the CA', testUntrusted],
	['another name', testWrongName],
	['compression', testCompression],
	['the page of etc/demo', testDemoPage],
	['stop', (t) => talkAndStop(t, ['stop'])],
	['stop --graceful', (t) => talkAndStop(t, ['stop', '--graceful'])],
];

async function runOne(name, test, t) {
	try {
		await test(t);
		console.log(`ok ${name}`);
		return true;
	} catch (error) {
		console.log(`FAILED ${name}: ${error.stack}`);
		return false;
	} finally {
		t.daemon.kill();
	}
}

async function main() {
	const chromium = await loadPlaywright();
	const bin = process.env.WSSD_BIN;
	const dir = mkdtempSync(join(tmpdir(), 'wssd-browser-'));
	let server = null;
	let failed = 0;

	if (!bin)
		throw new Error('WSSD_BIN is not set');
	try {
		makeCertificates(dir);
		const plainHome = makeHome(join(dir, 'plain'), null);
		const home = makeHome(join(dir, 'home'), join(dir, 'ca.pem'));

		server = await servePage(dir);
		const pageUrl = `https://localhost:${server.address().port}/`;

		for (const [i, [name, test]] of TESTS.entries()) {
			const daemon = new Daemon(bin, join(dir, `wssd${i}`),
			    dir);

			failed += await runOne(name, test, { chromium, home,
				plainHome, pageUrl, daemon }) ? 0 : 1;
		}
	} finally {
		server?.closeAllConnections();
		server?.close();
		rmSync(dir, { recursive: true, force: true });
	}
	return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
