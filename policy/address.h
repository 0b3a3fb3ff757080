/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "policy/model.h"

/* Text <-> struct clo_cidr, and what the policy asks of address blocks. */

#define CLO_CIDR_TEXT 64 /* longest text with its 0 */

enum clo_address_form {
	CLO_FORM_ADDRESS, /* "10.0.0.1": no prefix length */
	CLO_FORM_CIDR, /* "10.0.0.0/8": prefix length needed */
	CLO_FORM_EITHER,
};

/*
 * 0; -EINVAL: not of that form; -EDOM: bits beyond the prefix are set, and
 * ret_cidr is the block that was probably meant.
 */
int clo_cidr_parse(const char *text, enum clo_address_form form,
		   struct clo_cidr *ret_cidr);

/* "10.0.0.0/8"; a /32 or /128 without its length. */
void clo_cidr_format(const struct clo_cidr *cidr, char ret_text[CLO_CIDR_TEXT]);

/* Family, then address, then the wider first: a block precedes its parts. */
int clo_cidr_compare(const struct clo_cidr *a, const struct clo_cidr *b);

/* Two blocks either contain one another or are disjoint. */
bool clo_cidr_contains(const struct clo_cidr *outer,
		       const struct clo_cidr *inner);

/* The first or last address of an IPv4 block that has such roles. */
bool clo_cidr_is_edge(const struct clo_cidr *block,
		      const struct clo_cidr *address);

/* Who will own the addresses of a block; each allows less. */
enum clo_address_use {
	CLO_USE_MATCH, /* a pattern of a rule, a service */
	CLO_USE_NODE, /* the node's own */
	CLO_USE_GUEST, /* segments and endpoints */
};

/*
 * NULL, or the special range that the block touches and that this use does not
 * allow: "multicast", "link-local", ...
 */
const char *clo_cidr_refuse(const struct clo_cidr *cidr,
			    enum clo_address_use use);

/*
 * NULL if endpoints may share this multicast address, else what it is: "no
 * multicast address", "a multicast address of routers and hosts", ...
 */
const char *clo_group_refuse(const struct clo_cidr *address);
