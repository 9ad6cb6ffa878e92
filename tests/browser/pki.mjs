// SPDX-License-Identifier: MIT
//
// A certificate authority of the test's own, a server certificate for
// "localhost" signed by it, and the browser's homes: folders in which
// Chromium finds (or does not find) that authority among the trusted ones.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

function openssl(dir, ...args) {
	execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' });
}

// Makes ca.pem, cert.pem and key.pem in dir.
export function makeCertificates(dir) {
	const key = ['-newkey', 'ec', '-pkeyopt',
	    'ec_paramgen_curve:P-256', '-nodes'];

	openssl(dir, 'req', '-x509', ...key, '-keyout', 'ca.key',
	    '-out', 'ca.pem', '-days', '2', '-subj', '/CN=wssd test CA',
	    '-addext', 'basicConstraints=critical,CA:TRUE',
	    '-addext', 'keyUsage=critical,keyCertSign');
	openssl(dir, 'req', ...key, '-keyout', 'key.pem', '-out', 'req.pem',
	    '-subj', '/CN=localhost');
	writeFileSync(join(dir, 'leaf.ext'),
	    'basicConstraints=critical,CA:FALSE\n' +
	    'keyUsage=critical,digitalSignature\n' +
	    'extendedKeyUsage=serverAuth\n' +
	    'subjectAltName=DNS:localhost\n');
	openssl(dir, 'x509', '-req', '-in', 'req.pem', '-CA', 'ca.pem',
	    '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2',
	    '-extfile', 'leaf.ext', '-out', 'cert.pem');
}

// A home for Chromium; ca is the authority it trusts, or null.
export function makeHome(home, ca) {
	const db = join(home, '.pki', 'nssdb');

	mkdirSync(db, { recursive: true });
	execFileSync('certutil',
	    ['-N', '-d', `sql:${db}`, '--empty-password'], { stdio: 'pipe' });
	if (ca !== null)
		execFileSync('certutil', ['-A', '-d', `sql:${db}`, '-n',
		    'dev-ca', '-t', 'C,,', '-i', ca], { stdio: 'pipe' });
	return home;
}
