/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "documents.h"
#include "policy/parse.h"

/* Documents from anybody, separated by 0 bytes, never crash, leak or stall. */

#define FILES_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool are_clean(const struct clo_flaws *flaws)
{
	for (size_t i = 0; i < clo_flaws_kept(flaws); i++) {
		const struct clo_flaw *flaw = clo_flaws_get(flaws, i);

		if (flaw->line < 0 || flaw->path[0] != '$' ||
		    strpbrk(flaw->text, "\n\r\x1b"))
			return false;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLO_AUTO(clo_policy) struct clo_policy *policy = NULL;
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	struct clo_document documents[FILES_MAX];
	size_t n = split((const char *)data, size, FILES_MAX, documents);
	int r;

	if (clo_flaws_new(&flaws) < 0)
		return 0;

	r = clo_policy_parse(documents, n, 1781000000, &policy, flaws);
	if (r == -ENOMEM)
		return 0;
	assert(r == (clo_flaws_count(flaws) > 0 ? -EINVAL : 0));
	assert(!policy == (r < 0));
	assert(are_clean(flaws));
	return 0;
}
