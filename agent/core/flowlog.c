/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/flowlog.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/attest/statement.h"
#include "agent/base/log.h"
#include "agent/core/flowlog_files.h"

#define CURRENT "current.jsonl"

struct clo_flowlog {
	char *dir;
	struct clo_flowlog_limits limits;
	int dirfd; /* -1: not open, then fd is -1, too */
	int fd; /* of CURRENT; -1: none yet */
	uint64_t bytes; /* of CURRENT, whole lines */
	unsigned int day; /* of CURRENT */
	unsigned int swept; /* day of the last look at what is too old */
	uint64_t next; /* number of the next closed file */
	size_t n_closed;
	uint64_t closed_bytes;

	char *buffer;
	size_t used;
	uint64_t waiting; /* records in the buffer */

	uint64_t records, lost, errors;
	uint64_t untold; /* lost, and not yet noted in the log */
	int error; /* 0, or why the last attempt failed */
};

static unsigned int day_of(time_t t)
{
	struct tm tm;

	if (!gmtime_r(&t, &tm))
		return 0;
	return (unsigned int)((tm.tm_year + 1900) * 10000 +
			      (tm.tm_mon + 1) * 100 + tm.tm_mday);
}

int clo_flowlog_new(const char *dir, const struct clo_flowlog_limits *limits,
		    struct clo_flowlog **ret_log)
{
	CLO_AUTO(clo_flowlog) struct clo_flowlog *log = NULL;

	log = calloc(1, sizeof(*log));
	if (!log)
		return -ENOMEM;
	log->dirfd = log->fd = -1;
	log->limits = *limits;
	log->dir = strdup(dir);
	if (limits->file_bytes > 0)
		log->buffer = malloc(CLO_FLOWLOG_BUFFER);
	if (!log->dir || (limits->file_bytes > 0 && !log->buffer))
		return -ENOMEM;

	*ret_log = CLO_TAKE(log);
	return 0;
}

static void close_all(struct clo_flowlog *log)
{
	if (log->fd >= 0)
		(void)close(log->fd);
	if (log->dirfd >= 0)
		(void)close(log->dirfd);
	log->fd = log->dirfd = -1;
}

void clo_flowlog_free(struct clo_flowlog *log)
{
	if (!log)
		return;

	if (log->dir)
		clo_flowlog_flush(log, time(NULL));
	close_all(log);
	free(log->buffer);
	free(log->dir);
	free(log);
}

bool clo_flowlog_enabled(const struct clo_flowlog *log)
{
	return log->limits.file_bytes > 0;
}

/* Remove closed files until the rest is young and small enough. */
static int sweep(struct clo_flowlog *log, time_t now)
{
	CLO_AUTO_MEM struct clo_flowlog_file *files = NULL;
	const struct clo_flowlog_limits *limits = &log->limits;
	unsigned int oldest =
		limits->days ? day_of(now - (time_t)limits->days * 86400) : 0;
	/* the current one may grow to its full size */
	uint64_t reserved = limits->file_bytes;
	uint64_t total = reserved;
	size_t n = 0;
	size_t kept;
	int r;

	r = clo_flowlog_list(log->dirfd, &files, &n);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		total += files[i].bytes;
	if (n > 0 && files[n - 1].number >= log->next)
		log->next = files[n - 1].number + 1;

	kept = n;
	for (size_t i = 0; i < n; i++) {
		bool large = limits->total_bytes && total > limits->total_bytes;
		char name[CLO_FLOWLOG_NAME];

		if (files[i].day >= oldest && !large)
			continue;
		clo_flowlog_name(&files[i], name);
		if (unlinkat(log->dirfd, name, 0) < 0 && errno != ENOENT)
			return -errno;
		total -= files[i].bytes;
		kept--;
	}
	log->n_closed = kept;
	log->closed_bytes = total - reserved;
	log->swept = day_of(now);
	return 0;
}

static int open_dir(struct clo_flowlog *log)
{
	CLO_AUTO_FD int dirfd = -1;

	if (mkdir(log->dir, 0750) < 0 && errno != EEXIST)
		return -errno;
	dirfd = open(log->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dirfd < 0)
		return -errno;
	if (fchmod(dirfd, 0750) < 0)
		return -errno;
	log->dirfd = clo_take_fd(&dirfd);
	return 0;
}

/* CURRENT, new or as the last run left it. */
static int open_current(struct clo_flowlog *log, time_t now)
{
	CLO_AUTO_FD int fd = -1;
	struct stat st;
	int r;

	fd = openat(log->dirfd, CURRENT,
		    O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0640) < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	r = clo_flowlog_mend(fd, &log->bytes);
	if (r < 0)
		return r;
	log->day = day_of(log->bytes > 0 ? st.st_mtime : now);
	log->fd = clo_take_fd(&fd);
	return 0;
}

/* CURRENT becomes a closed file; a crash in between leaves either name. */
static int rotate(struct clo_flowlog *log, time_t now)
{
	const struct clo_flowlog_file file = {.number = log->next,
					      .day = log->day};
	char name[CLO_FLOWLOG_NAME];

	clo_flowlog_name(&file, name);
	if (renameat(log->dirfd, CURRENT, log->dirfd, name) < 0 &&
	    errno != ENOENT) /* somebody has taken it away */
		return -errno;
	log->next++;
	(void)close(log->fd);
	log->fd = -1;
	log->bytes = 0;
	return sweep(log, now);
}

/* Ready for `len` bytes more. */
static int prepare(struct clo_flowlog *log, size_t len, time_t now)
{
	int r = 0;

	if (log->dirfd < 0) {
		r = open_dir(log);
		if (r == 0)
			r = sweep(log, now);
	}
	if (r == 0 && log->fd < 0)
		r = open_current(log, now);
	if (r == 0 && log->bytes > 0 &&
	    (log->day != day_of(now) ||
	     (len > 0 && log->bytes + len > log->limits.file_bytes))) {
		r = rotate(log, now);
		if (r == 0)
			r = open_current(log, now);
	}
	if (r == 0 && log->swept != day_of(now))
		r = sweep(log, now);
	return r;
}

/* All of `text` or, as far as a truncation can help, nothing. */
static int append(struct clo_flowlog *log, const char *text, size_t len)
{
	size_t done = 0;
	ssize_t n = 0;
	int r;

	while (done < len) {
		n = write(log->fd, text + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (done == len) {
		log->bytes += len;
		return 0;
	}

	r = n < 0 ? -errno : -EIO;
	if (ftruncate(log->fd, (off_t)log->bytes) < 0) {
		/* opening it again cuts it off where it can be */
		(void)close(log->fd);
		log->fd = -1;
	}
	return r;
}

static int tell_untold(struct clo_flowlog *log, time_t now)
{
	char text[160];
	char when[21];
	int n;
	int r;

	if (log->untold == 0)
		return 0;
	clo_time_format(now, when);
	n = snprintf(text, sizeof(text),
		     "{\"time\":\"%s\",\"kind\":\"lost\",\"records\":%" PRIu64
		     "}\n",
		     when, log->untold);
	r = append(log, text, (size_t)n);
	if (r == 0)
		log->untold = 0;
	return r;
}

static int write_out(struct clo_flowlog *log, time_t now)
{
	int r;

	r = prepare(log, log->used, now);
	if (r == 0 && log->used > 0)
		r = append(log, log->buffer, log->used);
	if (r < 0)
		return r;
	log->records += log->waiting;
	log->waiting = 0;
	log->used = 0;
	return tell_untold(log, now);
}

void clo_flowlog_flush(struct clo_flowlog *log, time_t now)
{
	int r;

	if (log->limits.file_bytes == 0)
		return;
	r = write_out(log, now);
	if (r < 0) {
		log->errors++;
		if (r != log->error)
			(void)clo_log_errno(CLO_LOG_ERR, r,
					    "flow log in %s is not written",
					    log->dir);
	} else if (log->error < 0) {
		clo_log(CLO_LOG_INFO, "flow log in %s is written again",
			log->dir);
	}
	log->error = r;
}

void clo_flowlog_put(struct clo_flowlog *log, const char *line, size_t len,
		     time_t now)
{
	if (log->limits.file_bytes == 0)
		return;
	/* while it fails only the clock tries again, not every record */
	if (log->used + len + 1 > CLO_FLOWLOG_BUFFER && log->error == 0)
		clo_flowlog_flush(log, now);
	if (log->used + len + 1 > CLO_FLOWLOG_BUFFER) {
		log->lost++;
		log->untold++;
		return;
	}
	memcpy(log->buffer + log->used, line, len);
	log->buffer[log->used + len] = '\n';
	log->used += len + 1;
	log->waiting++;
}

json_t *clo_flowlog_status(const struct clo_flowlog *log)
{
	json_int_t files = (json_int_t)log->n_closed + (log->fd >= 0 ? 1 : 0);

	return json_pack("{s:b, s:s, s:I, s:I, s:I, s:I, s:I, s:s?}", "enabled",
			 log->limits.file_bytes > 0, "directory", log->dir,
			 "files", files, "bytes",
			 (json_int_t)log->closed_bytes + (json_int_t)log->bytes,
			 "records", (json_int_t)log->records, "lost",
			 (json_int_t)log->lost, "errors",
			 (json_int_t)log->errors, "error",
			 log->error ? strerrordesc_np(-log->error) : NULL);
}
