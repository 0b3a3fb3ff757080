/* SPDX-License-Identifier: Apache-2.0 */

/* The sandbox file: what is taken is sound, and says the same when added. */

#include "agent/guard/sandbox_file.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct clo_sandbox_file file, again;
	unsigned int line;

	if (clo_sandbox_file_parse((const char *)data, size, &file, &line) < 0)
		return 0;

	assert(file.uid != 0 && file.uid != UINT32_MAX);
	assert(file.gid != 0 && file.gid != UINT32_MAX);
	assert(file.n_paths <= CLO_SANDBOX_PATHS_MAX);
	again.n_paths = 0;
	for (size_t i = 0; i < file.n_paths; i++) {
		const struct clo_sandbox_path *path = &file.paths[i];
		int r;

		assert(path->path[0] == '/' && !strstr(path->path, "/../"));
		r = clo_sandbox_file_add(&again, path->writable, path->path);
		assert(r == 0);
	}
	return 0;
}
