/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <sys/stat.h>

/*
 * From `root` to `path`, absolute and plain (no ".", "..", "//"), one name at a
 * time, never through a link. From the first `anchor` bytes of the path on no
 * mount is crossed, either. `look` sees each directory on the way.
 *
 * An O_PATH descriptor of what is there; -ELOOP for a link, -EXDEV for a mount,
 * -EINVAL for a path that is not plain, or another -errno.
 */
int clo_walk(int root, const char *path, size_t anchor,
	     void (*look)(void *data, const char *directory,
			  const struct stat *st),
	     void *data);
