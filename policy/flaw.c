/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/flaw.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policy/quote.h"

struct clo_flaws {
	size_t count, kept;
	struct clo_flaw items[CLO_FLAWS_MAX];
};

int clo_flaws_new(struct clo_flaws **ret_flaws)
{
	struct clo_flaws *flaws;

	flaws = calloc(1, sizeof(*flaws));
	if (!flaws)
		return -ENOMEM;

	*ret_flaws = flaws;
	return 0;
}

static void done(struct clo_flaw *flaw)
{
	free(flaw->file);
	free(flaw->path);
	free(flaw->text);
}

void clo_flaws_free(struct clo_flaws *flaws)
{
	if (!flaws)
		return;

	for (size_t i = 0; i < flaws->kept; i++)
		done(&flaws->items[i]);
	free(flaws);
}

void clo_flaws_add(struct clo_flaws *flaws, const char *file, int line,
		   const char *path, const char *fmt, ...)
{
	CLO_AUTO_MEM char *text = NULL;
	struct clo_flaw flaw = {.line = line};
	va_list args;
	int r;

	flaws->count++;
	if (flaws->kept == CLO_FLAWS_MAX)
		return;

	va_start(args, fmt);
	r = vasprintf(&text, fmt, args);
	va_end(args);
	if (r < 0) {
		text = NULL;
		return;
	}

	/* Whatever a document or a file name smuggled in ends here. */
	flaw.file = clo_printable(file);
	flaw.path = clo_printable(path);
	flaw.text = clo_printable(text);
	if (!flaw.file || !flaw.path || !flaw.text) {
		done(&flaw);
		return;
	}
	flaws->items[flaws->kept++] = flaw;
}

size_t clo_flaws_count(const struct clo_flaws *flaws)
{
	return flaws->count;
}

size_t clo_flaws_kept(const struct clo_flaws *flaws)
{
	return flaws->kept;
}

const struct clo_flaw *clo_flaws_get(const struct clo_flaws *flaws, size_t i)
{
	assert(i < flaws->kept);
	return &flaws->items[i];
}
