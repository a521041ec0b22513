// An identity provider on loopback: oidc-provider, with the police's officers in it.
//
// node provider.mjs SETTINGS, a JSON file: port, certificate and key (files), audiences, redirect,
// gateway (redirect and secret of the other client), and claims, an object of token claims by
// person. Says `ready` once it answers, and on stderr `revoked` for each grant that is.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';

import Provider, { errors } from 'oidc-provider';

const settings = JSON.parse(readFileSync(process.argv[2]));
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

const grants = [
  'authorization_code',
  'refresh_token',
  'urn:ietf:params:oauth:grant-type:device_code',
];

const provider = new Provider(`https://127.0.0.1:${settings.port}`, {
  clients: [
    {
      client_id: 'lookup',
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      grant_types: grants,
      redirect_uris: [settings.redirect],
      id_token_signed_response_alg: 'ES256',
    },
    {
      client_id: 'gateway',
      client_secret: settings.gateway.secret,
      grant_types: grants,
      redirect_uris: [settings.gateway.redirect],
      id_token_signed_response_alg: 'ES256',
    },
  ],
  cookies: { keys: [randomBytes(32).toString('hex')] },
  extraTokenClaims: (_, token) => settings.claims[token.accountId],
  features: {
    deviceFlow: { enabled: true },
    revocation: { enabled: true },
    dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo(_, resource) {
        if (!settings.audiences.includes(resource)) throw new errors.InvalidTarget();
        return {
          scope: 'rdap',
          audience: resource,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 600,
          jwt: { sign: { alg: 'ES256' } },
        };
      },
    },
  },
  findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig' }] },
  scopes: ['openid', 'offline_access', 'rdap'],
});

provider.on('grant.revoked', () => console.error('revoked'));

createServer(
  { cert: readFileSync(settings.certificate), key: readFileSync(settings.key) },
  provider.callback(),
).listen(settings.port, '127.0.0.1', () => console.log('ready'));
