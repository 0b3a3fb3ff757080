/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/gateway/item.h"

#include <errno.h>
#include <string.h>

#include "agent/attest/dsse.h"
#include "agent/attest/json.h"
#include "agent/attest/statement.h"
#include "agent/base/hex.h"

#define STATEMENT_DEPTH 32

json_t *clo_item(const struct clo_row *row)
{
	char digest[65];
	char time[21];

	clo_hex_encode(row->digest, 32, digest);
	clo_time_format((time_t)row->time, time);
	return json_pack("{s:s, s:s, s:s?, s:s, s:s, s:s, s:I}", "digest",
			 digest, "kind", row->kind, "scope",
			 row->scope[0] ? row->scope : NULL, "time", time,
			 "verdict", row->verdict, "bootId", row->boot_id,
			 "sequence", (json_int_t)row->sequence);
}

int clo_item_predicate(struct clo_reader *reader, int64_t id,
		       json_t **ret_predicate)
{
	CLO_AUTO_MEM char *envelope = NULL;
	CLO_AUTO_MEM char *payload = NULL;
	json_auto_t *statement = NULL;
	json_t *predicate;
	size_t len;
	int r;

	r = clo_reader_envelope(reader, id, &envelope);
	if (r == 0)
		r = clo_dsse_peek(envelope, strlen(envelope), &payload, &len);
	if (r == 0)
		r = clo_json_parse(payload, len, STATEMENT_DEPTH, &statement);
	if (r < 0)
		return r;
	predicate = json_object_get(statement, "predicate");
	if (!json_is_object(predicate))
		return -EBADMSG;

	*ret_predicate = json_incref(predicate);
	return 0;
}
