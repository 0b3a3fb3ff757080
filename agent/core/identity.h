/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include <jansson.h>

#include "agent/core/node.h"

/*
 * Who the node is: with a TPM a signing key in memory for each start, quoted by
 * the TPM's attestation key; without one the key in the state directory. The
 * first TPM that is seen is the node's, until an operator says otherwise.
 */

/* State directory and file key; both may exist. The caller frees *ret_key. */
int clo_identity_init(const struct clo_options *options, char **ret_key);
/* The kernel's id of this boot. */
int clo_identity_boot(char ret_id[37]);
/* Whatever TPM is there is the node's from now on. Errors are logged. */
int clo_identity_reenrol(const struct clo_options *options);
/*
 * Before anything is guarded or signed. Errors are logged. -EKEYREJECTED: the
 * TPM is another one, does not answer, or is gone.
 */
int clo_identity_open(struct clo_node *node);
void clo_identity_close(struct clo_node *node);
/* Once the log is open: the node-key record of this start. Errors are logged. */
int clo_identity_record(struct clo_node *node);
/* The request "activate" of the control protocol. */
json_t *clo_identity_activate(struct clo_node *node, const json_t *request);
/*
 * A quote of this key for an epoch that has none yet, or for a challenge.
 * NULL: none is due, there is no TPM, or it failed, which is logged.
 */
json_t *clo_identity_quote(struct clo_node *node, uint64_t epoch,
			   const char *nonce);
