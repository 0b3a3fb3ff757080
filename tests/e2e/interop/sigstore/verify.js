// SPDX-License-Identifier: Apache-2.0

// Verifies a Sigstore bundle of a node's log with @sigstore/verify, of which
// none was made for us. The trust is the node's key, once as a key of its own
// and once as that of a log.
// usage: verify.js KEY.pem VERIFIER BUNDLE   VERIFIER: "name+hash+key" of the log
// Exit status: 0 verified, 1 refused, 2 anything else.
"use strict";

const crypto = require("crypto");
const fs = require("fs");
const { bundleFromJSON, ValidationError } = require("@sigstore/bundle");
const { HashAlgorithm, PublicKeyDetails } = require("@sigstore/protobuf-specs");
const verify = require("@sigstore/verify");

const SPKI_ED25519 = Buffer.from("302a300506032b6570032100", "hex");

// The log as a trusted root has it. This library looks for a checkpoint's key
// by the first bytes of logId: there goes the id of the note's key.
function logOf(verifier) {
  const [, name, key] = /^([^+]+)\+[0-9a-f]{8}\+(.+)$/.exec(verifier);
  const typed = Buffer.from(key, "base64");
  const id = crypto.createHash("sha256").update(`${name}\n`).update(typed);
  return {
    baseUrl: name,
    hashAlgorithm: HashAlgorithm.SHA2_256,
    logId: { keyId: id.digest() },
    publicKey: {
      rawBytes: Buffer.concat([SPKI_ED25519, typed.subarray(1)]),
      keyDetails: PublicKeyDetails.PKIX_ED25519,
    },
  };
}

function trust(pem, verifier) {
  const rawBytes = crypto.createPublicKey(pem).export({
    format: "der",
    type: "spki",
  });
  const hint = crypto.createHash("sha256").update(rawBytes).digest("hex");
  const root = {
    tlogs: [logOf(verifier)],
    certificateAuthorities: [],
    timestampAuthorities: [],
    ctlogs: [],
  };
  return verify.toTrustMaterial(root, {
    [hint]: { rawBytes: pem, keyDetails: PublicKeyDetails.PKIX_ED25519 },
  });
}

function main([key, verifier, file]) {
  const material = trust(fs.readFileSync(key, "utf8"), verifier);
  const options = { tlogThreshold: 1, ctlogThreshold: 0, tsaThreshold: 0 };
  try {
    const bundle = bundleFromJSON(JSON.parse(fs.readFileSync(file, "utf8")));
    new verify.Verifier(material, options).verify(verify.toSignedEntity(bundle));
  } catch (error) {
    if (
      error instanceof verify.VerificationError ||
      error instanceof ValidationError
    ) {
      console.log(`refused: ${error.code || "BUNDLE"}: ${error.message}`);
      return 1;
    }
    throw error;
  }
  console.log("verified");
  return 0;
}

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  console.error(`verify.js: ${error.stack}`);
  process.exitCode = 2;
}
