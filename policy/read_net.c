/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "policy/quote.h"
#include "policy/read.h"
#include "policy/service_spec.h"

static const char *const forms[] = {
	[CLO_FORM_ADDRESS] = "an address like \"10.0.0.1\" or \"fd00::1\"",
	[CLO_FORM_CIDR] = "a CIDR like \"10.0.0.0/24\" or \"fd00::/64\"",
	[CLO_FORM_EITHER] = "an address or CIDR like \"10.0.0.0/24\"",
};

bool clo_read_cidr(struct clo_reader *reader, const struct clo_place *place,
		   enum clo_address_form form, enum clo_address_use use,
		   struct clo_cidr *ret_cidr)
{
	const char *text = clo_read_string(reader, place);
	const char *special;
	struct clo_cidr cidr;
	char meant[CLO_CIDR_TEXT];
	int r;

	if (!text)
		return false;

	r = clo_cidr_parse(text, form, &cidr);
	if (r == -EDOM) {
		clo_cidr_format(&cidr, meant);
		clo_flaw_at(reader, place,
			    "%s has bits set beyond its prefix: write \"%s\"",
			    clo_quote(text).text, meant);
		return false;
	}
	if (r < 0) {
		clo_flaw_at(reader, place, "%s: expected %s",
			    clo_quote(text).text, forms[form]);
		return false;
	}

	special = clo_cidr_refuse(&cidr, use);
	if (special) {
		clo_flaw_at(reader, place,
			    "%s is or contains %s addresses, which cannot "
			    "stand here: use ordinary unicast ones",
			    clo_quote(text).text, special);
		return false;
	}

	*ret_cidr = cidr;
	return true;
}

int clo_compare_cidrs(const void *a, const void *b)
{
	return clo_cidr_compare(a, b);
}

struct numbered {
	struct clo_cidr cidr;
	size_t index;
};

static int compare_numbered(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;
	int r = clo_cidr_compare(&x->cidr, &y->cidr);

	return r ? r : (x->index > y->index) - (x->index < y->index);
}

/* The readable items with their numbers, sorted by value. */
static size_t read_numbered(struct clo_reader *reader,
			    const struct clo_place *place,
			    enum clo_address_form form,
			    enum clo_address_use use, struct numbered *seen)
{
	size_t n = 0;

	for (size_t i = 0; i < clo_place_items(place); i++) {
		struct clo_place item = clo_place_item(place, i);

		seen[n].index = i;
		if (clo_read_cidr(reader, &item, form, use, &seen[n].cidr))
			n++;
	}
	clo_sort(seen, n, sizeof(*seen), compare_numbered);
	return n;
}

struct clo_cidrs clo_read_cidrs(struct clo_reader *reader,
				const struct clo_place *place,
				enum clo_address_form form,
				enum clo_address_use use)
{
	size_t n = clo_place_items(place);
	struct clo_cidr *items;
	struct numbered *seen;

	items = clo_arena_array(reader->keep, n, sizeof(*items));
	seen = clo_arena_array(reader->scratch, n, sizeof(*seen));
	if (!items || !seen)
		return (struct clo_cidrs){0};

	n = read_numbered(reader, place, form, use, seen);
	for (size_t i = 0; i < n; i++) {
		struct clo_place item = clo_place_item(place, seen[i].index);
		char text[CLO_CIDR_TEXT];

		items[i] = seen[i].cidr;
		if (i == 0 || clo_cidr_compare(&items[i - 1], &items[i]) != 0)
			continue;
		clo_cidr_format(&items[i], text);
		clo_flaw_at(reader, &item,
			    "%s is listed twice, first as item %zu: remove one",
			    text, seen[i - 1].index);
	}
	return (struct clo_cidrs){items, n};
}

struct clo_specs clo_read_specs(struct clo_reader *reader,
				const struct clo_place *place)
{
	struct clo_specs specs = {0};
	size_t n = clo_place_items(place);

	specs.items = clo_arena_array(reader->keep, n, sizeof(*specs.items));
	if (!specs.items)
		return specs;

	for (size_t i = 0; i < n; i++) {
		struct clo_place item = clo_place_item(place, i);
		const char *text = clo_read_string(reader, &item);
		const char *wrong;

		if (!text)
			continue;
		if (clo_service_spec_parse(text, &specs.items[specs.n],
					   &wrong) < 0)
			clo_flaw_at(reader, &item,
				    "%s: %s; expected \"tcp/443\", "
				    "\"udp/5000-5100\", \"sctp/36412\", "
				    "\"icmp\", \"icmp/8\", \"icmpv6\", "
				    "\"icmpv6/128\", \"esp\", \"ah\", "
				    "\"gre\", \"ipip\", \"ipv6\", "
				    "\"proto/89\" or \"any\"",
				    clo_quote(text).text, wrong);
		else
			specs.n++;
	}
	clo_check_repeats(reader, place, NULL);
	return specs;
}

/* Two hexadecimal digits, or -1. */
static int parse_octet(const char *text)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *high, *low;

	if (!text[0] || !text[1])
		return -1;
	high = strchr(digits, text[0]);
	low = strchr(digits, text[1]);
	if (!high || !low)
		return -1;
	return (int)(((high - digits) % 16) << 4 | (low - digits) % 16);
}

static bool parse_mac(const char *text, uint8_t ret_mac[6])
{
	if (strlen(text) != strlen("00:00:00:00:00:00"))
		return false;

	for (size_t i = 0; i < 6; i++) {
		int octet = parse_octet(text + 3 * i);

		if (octet < 0 || (i < 5 && text[3 * i + 2] != ':'))
			return false;
		ret_mac[i] = (uint8_t)octet;
	}
	return true;
}

bool clo_read_mac(struct clo_reader *reader, const struct clo_place *place,
		  uint8_t ret_mac[6])
{
	static const uint8_t zero[6];
	const char *text = clo_read_string(reader, place);
	uint8_t mac[6];

	if (!text)
		return false;

	if (!parse_mac(text, mac)) {
		clo_flaw_at(reader, place,
			    "%s: expected a MAC like \"52:54:00:12:34:56\"",
			    clo_quote(text).text);
		return false;
	}
	if ((mac[0] & 1) || memcmp(mac, zero, sizeof(zero)) == 0) {
		clo_flaw_at(reader, place,
			    "%s is %s: a guest needs a unicast MAC",
			    clo_quote(text).text,
			    (mac[0] & 1) ? "a group MAC" : "no MAC");
		return false;
	}

	memcpy(ret_mac, mac, sizeof(mac));
	return true;
}

/* Exactly "2026-01-31T12:00:00Z", and a time that exists. */
static int parse_time(const char *text, time_t *ret_time)
{
	struct tm tm = {0}, again;
	const char *end;
	time_t time;

	if (strspn(text, "0123456789-:TZ") != strlen("2026-01-31T12:00:00Z") ||
	    text[20])
		return -EINVAL;
	end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (!end || *end)
		return -EINVAL;

	again = tm;
	time = timegm(&again);
	/* timegm() turns 30 February into 2 March. */
	if (again.tm_mday != tm.tm_mday || again.tm_sec != tm.tm_sec)
		return -EINVAL;
	*ret_time = time;
	return 0;
}

bool clo_read_time(struct clo_reader *reader, const struct clo_place *place,
		   time_t *ret_time)
{
	const char *text = clo_read_string(reader, place);

	if (!text)
		return false;
	if (parse_time(text, ret_time) == 0)
		return true;
	clo_flaw_at(reader, place,
		    "%s: expected a time in UTC like "
		    "\"2026-01-31T12:00:00Z\"",
		    clo_quote(text).text);
	return false;
}

enum clo_environment clo_read_environment(struct clo_reader *reader,
					  const struct clo_place *place)
{
	const char *text = clo_read_string(reader, place);

	if (!text)
		return CLO_ENV_NONE;

	for (enum clo_environment env = CLO_ENV_PRODUCTION;
	     env <= CLO_ENV_DEVELOPMENT; env++)
		if (strcmp(text, clo_environment_name(env)) == 0)
			return env;
	clo_flaw_at(reader, place,
		    "%s: expected \"production\", \"test\" or "
		    "\"development\"",
		    clo_quote(text).text);
	return CLO_ENV_NONE;
}
