/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/stream/place.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/file.h"
#include "agent/base/log.h"
#include "agent/stream/names.h"

#define STATE_MAX 512U

int clo_place_row(struct clo_reader *reader, const char *node, const char *id,
		  int64_t *ret_row)
{
	char boot[64];
	int64_t sequence;
	int r;

	if (clo_stream_id_parse(id, node, boot, &sequence) < 0)
		return -EPROTO;
	r = clo_reader_at(reader, boot, sequence, ret_row);
	return r == -ENOENT ? -EPROTO : r;
}

int64_t clo_place_load(struct clo_reader *reader, const char *node,
		       const char *path)
{
	CLO_AUTO_MEM char *id = NULL;
	int64_t row;
	size_t len;

	if (!*path || clo_file_read(path, STATE_MAX, &id, &len) < 0)
		return 0;
	id[strcspn(id, "\n")] = '\0';
	return clo_place_row(reader, node, id, &row) < 0 ? 0 : row;
}

void clo_place_save(const char *path, const char *id)
{
	CLO_AUTO_MEM char *fresh = NULL;

	if (!*path)
		return;
	if (asprintf(&fresh, "%s.new", path) < 0) {
		fresh = NULL;
		return;
	}
	if (clo_file_write(fresh, id, strlen(id)) < 0 ||
	    rename(fresh, path) < 0)
		clo_log(CLO_LOG_WARN, "cannot write %s", path);
}
