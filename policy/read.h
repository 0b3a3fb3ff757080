/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "policy/address.h"
#include "policy/arena.h"
#include "policy/flaw.h"
#include "policy/locate.h"

/*
 * JSON values -> checked C values. What is wrong becomes a flaw and reads as
 * "nothing" ("", 0 items), about which nobody complains again; so one mistake
 * makes one flaw. An absent place reads as nothing without a flaw.
 */

struct clo_reader {
	struct clo_arena *keep; /* the model's */
	struct clo_arena *scratch; /* gone when parsing ends */
	struct clo_flaws *flaws;
};

__attribute__((format(printf, 3, 4))) void
clo_flaw_at(struct clo_reader *reader, const struct clo_place *place,
	    const char *fmt, ...);

/* JSON_TRUE stands for both booleans, JSON_INTEGER for all numbers. */
struct clo_member {
	const char *name;
	json_type type;
	bool required;
	bool filled; /* an array that may not be empty */
};

/* What every document begins with. */
enum {
	CLO_DOC_API,
	CLO_DOC_KIND,
	CLO_DOC_NAME,
	CLO_DOC_OWN, /* the first member of its kind */
};

#define CLO_DOC_MEMBERS                                                        \
	[CLO_DOC_API] = {"apiVersion", JSON_STRING, true},                     \
	[CLO_DOC_KIND] = {"kind", JSON_STRING, true},                          \
	[CLO_DOC_NAME] = {"name", JSON_STRING, true}

/* False: a flaw, or absent. */
bool clo_check_type(struct clo_reader *reader, const struct clo_place *place,
		    json_type type);

/* One member of what is an object; false: absent in ret_place. */
bool clo_read_member(struct clo_reader *reader, const struct clo_place *object,
		     const struct clo_member *member,
		     struct clo_place *ret_place);

/*
 * All of an object's members, by index of `members`: missing, unknown and
 * wrongly typed ones are flaws and absent. False: it is no object at all.
 */
bool clo_read_object(struct clo_reader *reader, const struct clo_place *place,
		     const struct clo_member *members, size_t n,
		     struct clo_place *ret_places);

/* What a string may look like. */
struct clo_format {
	bool (*valid)(const char *text);
	const char *expected;
};

extern const struct clo_format clo_format_name; /* of documents' things */
extern const struct clo_format clo_format_interface; /* of a host interface */
extern const struct clo_format clo_format_domain;
extern const struct clo_format clo_format_uuid;
extern const struct clo_format clo_format_control;
extern const struct clo_format clo_format_rule; /* tenant/environment/name */
extern const struct clo_format clo_format_prose;
extern const struct clo_format clo_format_path; /* of the host */

/* Borrowed from the JSON; NULL: a flaw, or absent. */
const char *clo_read_string(struct clo_reader *reader,
			    const struct clo_place *place);

/* The kept string; "" if it is none. A bad format is a flaw, but is kept. */
const char *clo_read_text(struct clo_reader *reader,
			  const struct clo_place *place,
			  const struct clo_format *format);

/*
 * Two items of an array that are the same string, or whose member `key` is: a
 * flaw.
 */
void clo_check_repeats(struct clo_reader *reader, const struct clo_place *place,
		       const char *key);

struct clo_texts {
	const char **items; /* sorted */
	size_t n;
};

struct clo_texts clo_read_texts(struct clo_reader *reader,
				const struct clo_place *place,
				const struct clo_format *format);

bool clo_texts_have(const struct clo_texts *texts, const char *text);

/* False: a flaw, or absent. */
bool clo_read_cidr(struct clo_reader *reader, const struct clo_place *place,
		   enum clo_address_form form, enum clo_address_use use,
		   struct clo_cidr *ret_cidr);

struct clo_cidrs {
	struct clo_cidr *items; /* sorted */
	size_t n;
};

struct clo_cidrs clo_read_cidrs(struct clo_reader *reader,
				const struct clo_place *place,
				enum clo_address_form form,
				enum clo_address_use use);

struct clo_specs {
	struct clo_service_spec *items;
	size_t n;
};

struct clo_specs clo_read_specs(struct clo_reader *reader,
				const struct clo_place *place);

bool clo_read_mac(struct clo_reader *reader, const struct clo_place *place,
		  uint8_t ret_mac[6]);
bool clo_read_time(struct clo_reader *reader, const struct clo_place *place,
		   time_t *ret_time);

/* CLO_ENV_NONE: a flaw, or absent. */
enum clo_environment clo_read_environment(struct clo_reader *reader,
					  const struct clo_place *place);

/* qsort() and bsearch() that take NULL for nothing. */
void clo_sort(void *items, size_t n, size_t size,
	      int (*compare)(const void *, const void *));
void *clo_find(const void *key, const void *items, size_t n, size_t size,
	       int (*compare)(const void *, const void *));
/* Of two `const char *`, or of structs that begin with one. */
int clo_compare_text(const void *a, const void *b);
/* Of pointers to such structs. */
int clo_compare_named(const void *a, const void *b);
int clo_compare_cidrs(const void *a, const void *b);
