/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/sys/virt.h"

/* Anything as a domain's definition: a whole value, or an error. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* 0-terminated inside its buffer. */
static bool ends(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static bool is_uuid(const char *text)
{
	for (size_t i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-'
			 : !strchr("0123456789abcdefABCDEF", text[i]) ||
				    !text[i])
			return false;
	}
	return text[36] == '\0';
}

static bool is_sound_nic(const struct clo_virt_nic *nic)
{
	return ends(nic->device, sizeof(nic->device)) &&
	       ends(nic->type, sizeof(nic->type)) &&
	       ends(nic->source, sizeof(nic->source));
}

static bool is_sound(const struct clo_virt_domain *domain)
{
	if (!domain->name || !domain->name[0] || !is_uuid(domain->uuid) ||
	    domain->id < -1 || (domain->workload && !domain->workload[0]))
		return false;
	for (size_t i = 0; i < domain->n_nics; i++)
		if (!is_sound_nic(&domain->nics[i]))
			return false;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct clo_virt_domain domain;
	char *text = malloc(size + 1);
	int r;

	assert(text);
	memcpy(text, data, size);
	text[size] = '\0';
	r = clo_virt_parse(text, &domain);
	free(text);
	if (r == 0) {
		assert(is_sound(&domain));
		free(domain.name);
		free(domain.workload);
		free(domain.nics);
		return 0;
	}
	assert(r == -EBADMSG || r == -E2BIG || r == -ENOMEM);
	return 0;
}
