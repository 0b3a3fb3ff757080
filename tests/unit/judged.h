/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <arpa/inet.h>
#include <assert.h>

#include "policy/compile.h"
#include "policy/host_view.h"
#include "policy/parse.h"
#include "unit/made.h"

/* Verdicts of compiled tables, asked for in words. */

static inline struct clo_compiled *compile_at(struct made *made, time_t now)
{
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	struct clo_compiled *compiled = NULL;
	int r = clo_flaws_new(&flaws);

	assert(r == 0);
	r = clo_compile(&made->policy, now, &compiled, flaws);
	assert(r == 0 && compiled && clo_flaws_count(flaws) == 0);
	return compiled;
}

static inline struct clo_side side_of(const struct clo_compiled *compiled,
				      uint32_t space, const char *address)
{
	const struct clo_view view = {compiled->tables};
	struct clo_side side;
	uint8_t addr[16] = {0};
	bool v6 = strchr(address, ':') != NULL;
	int r = inet_pton(v6 ? AF_INET6 : AF_INET, address, addr);

	assert(r == 1);
	clo_judge_side(&view, space, v6 ? 6 : 4, addr, &side);
	return side;
}

/* The verdict on a flow between two addresses as a space sees them. */
static inline struct clo_verdict judge_flow(const struct clo_compiled *compiled,
					    uint32_t space, const char *from,
					    const char *to, uint8_t proto,
					    uint16_t number)
{
	const struct clo_view view = {compiled->tables};
	struct clo_side src = side_of(compiled, space, from);
	struct clo_side dst = side_of(compiled, space, to);
	struct clo_verdict verdict;

	clo_judge_pair(&view, src.identity, dst.identity, proto, number,
		       &verdict);
	return verdict;
}
