/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/cpus.h"

#include <ctype.h>
#include <stdlib.h>

#include "agent/base/auto.h"

static bool take_number(const char **at, unsigned long *ret_number)
{
	char *end;

	if (!isdigit((unsigned char)**at))
		return false;
	*ret_number = strtoul(*at, &end, 10); /* too great: ULONG_MAX */
	*at = end;
	return true;
}

void clo_cpus_add(struct clo_cpus *cpus, const char *list)
{
	unsigned long first;
	unsigned long last;

	while (*list == ' ' || *list == '\t')
		list++;
	while (take_number(&list, &first)) {
		last = first;
		if (*list == '-' && (list++, !take_number(&list, &last)))
			return;
		for (unsigned long cpu = first;
		     cpu <= last && cpu < CLO_CPUS_MAX; cpu++)
			cpus->bits[cpu / 64] |= UINT64_C(1) << cpu % 64;
		list += *list == ',';
	}
}

void clo_cpus_remove(struct clo_cpus *cpus, unsigned int cpu)
{
	if (cpu < CLO_CPUS_MAX)
		cpus->bits[cpu / 64] &= ~(UINT64_C(1) << cpu % 64);
}

bool clo_cpus_has(const struct clo_cpus *cpus, unsigned int cpu)
{
	return cpu < CLO_CPUS_MAX && cpus->bits[cpu / 64] >> cpu % 64 & 1;
}

void clo_cpus_join(struct clo_cpus *cpus, const struct clo_cpus *more)
{
	for (size_t i = 0; i < CLO_ARRAY_LEN(cpus->bits); i++)
		cpus->bits[i] |= more->bits[i];
}

bool clo_cpus_meet(const struct clo_cpus *a, const struct clo_cpus *b)
{
	for (size_t i = 0; i < CLO_ARRAY_LEN(a->bits); i++)
		if (a->bits[i] & b->bits[i])
			return true;
	return false;
}
