/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/*
 * What the platform says of itself, read from sysfs, procfs and efivars below
 * a root directory ("/" but for tests). An absent or unreadable file is "not
 * observable", never good news.
 */
enum clo_fact_state {
	CLO_FACT_VERIFIED, /* observed, and as it should be */
	CLO_FACT_CONTRADICTED, /* observed, and not as it should be */
	CLO_FACT_NOT_OBSERVABLE, /* cannot be read here */
};

#define CLO_FACTS_MAX 64

struct clo_fact {
	char name[48]; /* "secure-boot", "cpu-vulnerability.meltdown" */
	enum clo_fact_state state;
	char value[160]; /* as read, one line, printable; "" if unreadable */
	char source[96]; /* path that was read */
};

struct clo_facts {
	size_t n;
	struct clo_fact facts[CLO_FACTS_MAX];
};

const char *clo_fact_state_text(enum clo_fact_state state);
/* Always fills every fact it knows of; 0 or -errno of opening root. */
int clo_facts_collect(const char *root, struct clo_facts *ret_facts);
