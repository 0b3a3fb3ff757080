/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/log_chain.h"

#include <stdio.h>
#include <string.h>

/* The first of a boot names the last of the boot before, or that it is first. */
static bool follows_boot(const struct clo_log_chain *at, const json_t *member,
			 const struct clo_chain_place *chain)
{
	const json_t *before = json_object_get(member, "previousBoot");

	if (at->skipped > 0) /* of which that one is */
		return chain->sequence <= at->skipped;
	if (!before) /* of an agent that did not say it yet */
		return true;
	if (!at->boot[0])
		return json_is_null(before);
	return strcmp(chain->boot_id, at->boot) == 0 &&
	       chain->boot_sequence == at->sequence - 1 &&
	       memcmp(chain->boot_digest, at->previous, sizeof(at->previous)) ==
		       0;
}

const char *clo_log_chain_flaw(struct clo_log_chain *at,
			       const struct clo_record *record,
			       const json_t *predicate)
{
	const json_t *member = json_object_get(predicate, "chain");
	struct clo_chain_place chain;

	if (clo_chain_place_read(member, &chain) < 0)
		return "it has no place in a chain";
	if (strcmp(at->boot, record->boot_id) != 0) {
		if (!follows_boot(at, member, &chain))
			return "it does not follow the last of the boot before";
		(void)snprintf(at->boot, sizeof(at->boot), "%s",
			       record->boot_id);
		at->sequence = at->skipped > 0 ? chain.sequence : 0;
		at->boots++;
	} else {
		at->sequence += at->skipped;
	}
	if (record->sequence != at->sequence)
		return "another is due in its boot";
	if (at->sequence > 0 && at->skipped == 0 &&
	    memcmp(chain.previous, at->previous, sizeof(at->previous)) != 0)
		return "it does not follow the one before it";

	at->sequence++;
	at->skipped = 0;
	memcpy(at->previous, record->payload_digest, sizeof(at->previous));
	return NULL;
}
