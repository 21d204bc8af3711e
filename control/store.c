/* The SQLite file: opened, checked, brought up to date, written. */
#include "control/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "control/store_query.h"

#define STORE_MAGIC 0x57043001u

/* "shnt", in the header of the file: it is ours. */
#define APPLICATION_ID 0x73686e74
/* A failure that goes on is logged once in so long. */
#define COMPLAIN_US (60 * 1000000ull)

/*
 * Each takes the file from one version of the schema to the next; those that
 * were released are never changed.
 */
static const char *const migrations[] = {
    "CREATE TABLE weights ("
    " service TEXT NOT NULL, version TEXT NOT NULL,"
    " weight INTEGER NOT NULL, filed INTEGER NOT NULL,"
    " PRIMARY KEY (service, version)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE pods ("
    " service TEXT NOT NULL, version TEXT NOT NULL, address TEXT NOT NULL,"
    " added INTEGER NOT NULL, removed INTEGER NOT NULL,"
    " weight INTEGER NOT NULL, pod_order INTEGER NOT NULL, name TEXT,"
    " PRIMARY KEY (service, version, address)) STRICT, WITHOUT ROWID;",
    "CREATE TABLE rollouts ("
    " id INTEGER PRIMARY KEY, service TEXT NOT NULL, strategy TEXT NOT NULL,"
    " from_version TEXT NOT NULL, to_version TEXT NOT NULL,"
    " phase TEXT NOT NULL, verdict TEXT NOT NULL, reason TEXT NOT NULL,"
    " started INTEGER NOT NULL, ended INTEGER NOT NULL,"
    " paused INTEGER NOT NULL, paused_at INTEGER NOT NULL,"
    " step INTEGER NOT NULL, steps INTEGER NOT NULL,"
    " paused_by INTEGER NOT NULL, verb INTEGER NOT NULL,"
    " undo INTEGER NOT NULL, stage INTEGER NOT NULL,"
    " at_step INTEGER NOT NULL, since INTEGER NOT NULL,"
    " old_wanted INTEGER NOT NULL, new_wanted INTEGER NOT NULL,"
    " share INTEGER NOT NULL, old_replicas INTEGER NOT NULL,"
    " new_replicas INTEGER NOT NULL, lead INTEGER NOT NULL,"
    " closed INTEGER NOT NULL) STRICT;"
    "CREATE INDEX rollouts_of ON rollouts (service, id);"
    "CREATE TABLE decisions ("
    " rollout INTEGER NOT NULL, seq INTEGER NOT NULL, time INTEGER NOT NULL,"
    " action TEXT NOT NULL, reason TEXT NOT NULL,"
    " PRIMARY KEY (rollout, seq)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE stable ("
    " service TEXT PRIMARY KEY, version TEXT NOT NULL, filed TEXT NOT NULL)"
    " STRICT, WITHOUT ROWID;",
    /* without a version: the highest of the service */
    "CREATE TABLE epochs ("
    " service TEXT NOT NULL, version TEXT NOT NULL, epoch INTEGER NOT NULL,"
    " PRIMARY KEY (service, version)) STRICT, WITHOUT ROWID;",
};

#define SCHEMA ((int)(sizeof migrations / sizeof migrations[0]))

static const char *const queries[QUERIES] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [PUT_WEIGHT] = "REPLACE INTO weights VALUES (?, ?, ?, ?)",
    [DROP_WEIGHTS] = "DELETE FROM weights",
    [EACH_WEIGHT] = "SELECT service, version, weight, filed FROM weights "
		    "ORDER BY service, version",
    [PUT_POD] = "REPLACE INTO pods VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    [DROP_POD] = "DELETE FROM pods "
		 "WHERE service = ? AND version = ? AND address = ?",
    [DROP_PODS] = "DELETE FROM pods",
    [EACH_POD] = "SELECT service, version, address, added, removed, weight, "
		 "pod_order, name FROM pods ORDER BY service, version, address",
    [PUT_ROLLOUT] = "REPLACE INTO rollouts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, "
		    "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [PRUNE_ROLLOUTS] = "DELETE FROM rollouts WHERE service = ?1 AND id <= "
		       "(SELECT id FROM rollouts WHERE service = ?1 "
		       "ORDER BY id DESC LIMIT 1 OFFSET ?2)",
    [PRUNE_DECISIONS] = "DELETE FROM decisions WHERE rollout IN "
			"(SELECT id FROM rollouts WHERE service = ?1 "
			"ORDER BY id DESC LIMIT -1 OFFSET ?2)",
    [EACH_LAST_ROLLOUT] = "SELECT * FROM rollouts WHERE id IN "
			  "(SELECT max(id) FROM rollouts GROUP BY service)",
    [EACH_ROLLOUT] = "SELECT * FROM rollouts WHERE service = ? "
		     "ORDER BY id DESC LIMIT ?",
    [PUT_DECISION] = "REPLACE INTO decisions VALUES (?, ?, ?, ?, ?)",
    [FORGET_DECISIONS] = "DELETE FROM decisions WHERE rollout = ? AND seq < ?",
    [EACH_DECISION] = "SELECT seq, time, action, reason FROM decisions "
		      "WHERE rollout = ? ORDER BY seq",
    [PUT_STABLE] = "REPLACE INTO stable VALUES (?, ?, ?)",
    [DROP_STABLE] = "DELETE FROM stable WHERE service = ?",
    [EACH_STABLE] = "SELECT service, version, filed FROM stable",
    [PUT_EPOCH] = "REPLACE INTO epochs VALUES (?, ?, ?)",
    [DROP_EPOCHS] = "DELETE FROM epochs WHERE service = ?",
    [EACH_EPOCH] = "SELECT service, version, epoch FROM epochs "
		   "ORDER BY service, version",
};

struct store {
	unsigned magic;
	char *path;  /* NULL: nothing is kept */
	sqlite3 *db; /* NULL: likewise */
	sqlite3_stmt *queries[QUERIES];
	bool told;   /* that nothing is kept */
	bool failed; /* in this transaction */
	bool behind;
	char problem[256]; /* the last one; "" = none */
	uint64_t complained_us;
};

/* Opening. */

/* Which process holds a lock on the file; 0 = not to be found out. */
static pid_t
lock_holder(const char *path)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		lock.l_pid = 0;
	close(fd);
	return lock.l_pid > 0 ? lock.l_pid : 0;
}

static int
fail_locked(const struct store *s, char *why, size_t size)
{
	pid_t pid = lock_holder(s->path);
	char who[32] = "another process";

	if (pid > 0)
		snprintf(who, sizeof who, "process %ld", (long)pid);
	snprintf(why, size,
	    "state %s: %s has it open: end that one, or name another file",
	    s->path, who);
	return -1;
}

/* In words that say what to do. */
static int
fail_open(const struct store *s, char *why, size_t size)
{
	const char *words = sqlite3_errmsg(s->db);

	switch (sqlite3_errcode(s->db)) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return fail_locked(s, why, size);
	case SQLITE_NOTADB:
		snprintf(why, size,
		    "state %s: it is no SQLite database: name another file, "
		    "or move it away to start without run-time changes",
		    s->path);
		break;
	case SQLITE_CORRUPT:
		snprintf(why, size,
		    "state %s: it is damaged (%s): restore it, or move it "
		    "away to start without run-time changes",
		    s->path, words);
		break;
	default:
		snprintf(why, size, "state %s: %s", s->path, words);
	}
	return -1;
}

static int
run(struct store *s, const char *sql)
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : -1;
}

/* The one number or text of the first row; false when there is none. */
static bool
ask(struct store *s, const char *sql, int64_t *number, char *text, size_t size)
{
	sqlite3_stmt *query;
	bool row = false;

	if (sqlite3_prepare_v2(s->db, sql, -1, &query, NULL) != SQLITE_OK)
		return false;
	if (sqlite3_step(query) == SQLITE_ROW) {
		row = true;
		if (number != NULL)
			*number = sqlite3_column_int64(query, 0);
		if (text != NULL)
			snprintf(text, size, "%s",
			    (const char *)sqlite3_column_text(query, 0));
	}
	return sqlite3_finalize(query) == SQLITE_OK && row;
}

/*
 * With mode 0600, before SQLite would make it: also its journal has the mode
 * then. A folder that is not there, or not ours, shows here.
 */
static int
make_file(const struct store *s, char *why, size_t size)
{
	int fd = open(s->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		snprintf(why, size, "state %s: %s%s", s->path, strerror(errno),
		    errno == ENOENT ? ": its folder must exist" : "");
		if (fd >= 0)
			close(fd);
		return -1;
	}
	close(fd);
	if (S_ISREG(st.st_mode))
		return 0;
	snprintf(why, size, "state %s: it is no regular file", s->path);
	return -1;
}

/*
 * Exclusive: SQLite's own locks keep a second process away, and no memory is
 * shared with one. Nothing is written before it is known to be ours.
 */
static const char first[] = "PRAGMA locking_mode = EXCLUSIVE";
/*
 * Full: a change that was answered survives a loss of power, too; changes are
 * rare enough to pay for it. The empty transaction takes the lock for good.
 */
static const char then[] = "PRAGMA journal_mode = WAL;"
			   "PRAGMA synchronous = FULL;"
			   "BEGIN EXCLUSIVE; COMMIT";

/* It is ours, or empty, and not from the future. */
static int
check_kind(struct store *s, int64_t *schema, char *why, size_t size)
{
	int64_t id, tables;

	if (!ask(s, "PRAGMA application_id", &id, NULL, 0) ||
	    !ask(s, "PRAGMA user_version", schema, NULL, 0) ||
	    !ask(s, "SELECT count(*) FROM sqlite_schema", &tables, NULL, 0))
		return fail_open(s, why, size);
	if (id != APPLICATION_ID && (id != 0 || *schema != 0 || tables != 0)) {
		snprintf(why, size,
		    "state %s: it is the database of another program: name "
		    "another file",
		    s->path);
		return -1;
	}
	if (*schema > SCHEMA) {
		snprintf(why, size,
		    "state %s: a newer shunt has written it (schema %lld, "
		    "this one knows %d): run that one, or name another file",
		    s->path, (long long)*schema, SCHEMA);
		return -1;
	}
	return 0;
}

static int
check_whole(struct store *s, char *why, size_t size)
{
	char words[128] = "no answer", *end;

	if (ask(s, "PRAGMA quick_check(1)", NULL, words, sizeof words) &&
	    strcmp(words, "ok") == 0)
		return 0;
	while ((end = strchr(words, '\n')) != NULL)
		*end = ' ';
	snprintf(why, size,
	    "state %s: it is damaged (%s): restore it, or move it away to "
	    "start without run-time changes",
	    s->path, words);
	return -1;
}

/* All steps that are missing, or none. */
static int
migrate(struct store *s, int64_t schema, char *why, size_t size)
{
	char mark[96];

	if (schema == SCHEMA)
		return 0;
	snprintf(mark, sizeof mark,
	    "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
	    APPLICATION_ID, SCHEMA);
	if (run(s, "BEGIN EXCLUSIVE") < 0)
		return fail_open(s, why, size);
	for (int64_t i = schema; i < SCHEMA; i++)
		if (run(s, migrations[i]) < 0)
			return fail_open(s, why, size);
	return run(s, mark) < 0 ? fail_open(s, why, size) : 0;
}

static int
prepare_all(struct store *s, char *why, size_t size)
{
	for (int i = 0; i < QUERIES; i++)
		if (sqlite3_prepare_v3(s->db, queries[i], -1,
			SQLITE_PREPARE_PERSISTENT, &s->queries[i],
			NULL) != SQLITE_OK)
			return fail_open(s, why, size);
	return 0;
}

static int
open_file(struct store *s, char *why, size_t size)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
	int64_t schema;

	if (make_file(s, why, size) < 0)
		return -1;
	if (sqlite3_open_v2(s->path, &s->db, flags, NULL) != SQLITE_OK) {
		if (s->db != NULL)
			return fail_open(s, why, size);
		snprintf(why, size, "state %s: out of memory", s->path);
		return -1;
	}
	sqlite3_extended_result_codes(s->db, 0);
	if (run(s, first) < 0)
		return fail_open(s, why, size);
	if (check_kind(s, &schema, why, size) < 0)
		return -1;
	if (run(s, then) < 0)
		return fail_open(s, why, size);
	if (check_whole(s, why, size) < 0 || migrate(s, schema, why, size) < 0)
		return -1;
	return prepare_all(s, why, size);
}

struct store *
store_open(const char *path, char *why, size_t why_size)
{
	struct store *s = calloc(1, sizeof *s);

	snprintf(why, why_size, "out of memory");
	if (s == NULL)
		return NULL;
	s->magic = STORE_MAGIC;
	if (path == NULL)
		return s;
	s->path = strdup(path);
	if (s->path == NULL || open_file(s, why, why_size) < 0) {
		store_close(s);
		return NULL;
	}
	return s;
}

void
store_close(struct store *s)
{
	if (s == NULL)
		return;
	CHECK_OBJ(s, STORE_MAGIC);
	for (int i = 0; i < QUERIES; i++)
		sqlite3_finalize(s->queries[i]);
	sqlite3_close(s->db);
	free(s->path);
	s->magic = 0;
	free(s);
}

/* Writing. */

static void
fail_write(struct store *s)
{
	int error = sqlite3_system_errno(s->db);

	snprintf(s->problem, sizeof s->problem, "%s%s%s", sqlite3_errmsg(s->db),
	    error != 0 ? ": " : "", error != 0 ? strerror(error) : "");
	s->failed = true;
}

void
store_bind_text(struct store *s, enum query q, int column, const char *value)
{
	if (sqlite3_bind_text(
		s->queries[q], column, value, -1, SQLITE_STATIC) != SQLITE_OK)
		fail_write(s);
}

void
store_bind_number(struct store *s, enum query q, int column, uint64_t value)
{
	if (sqlite3_bind_int64(s->queries[q], column, (sqlite3_int64)value) !=
	    SQLITE_OK)
		fail_write(s);
}

void
store_run(struct store *s, enum query q)
{
	if (!s->failed && sqlite3_step(s->queries[q]) != SQLITE_DONE)
		fail_write(s);
	sqlite3_reset(s->queries[q]);
	sqlite3_clear_bindings(s->queries[q]);
}

void
store_begin(struct store *s)
{
	CHECK_OBJ(s, STORE_MAGIC);
	s->failed = false;
	if (s->db != NULL)
		store_run(s, BEGIN);
	else if (!s->told)
		log_warn("there is no state file: what is set at run time is "
			 "lost at the next start (the key state names one)");
	s->told = true;
}

static void
complain(struct store *s)
{
	uint64_t now = clock_now_us();

	if (s->behind && now - s->complained_us < COMPLAIN_US)
		return;
	s->complained_us = now;
	log_error("state %s: not written: %s; run-time changes hold, but "
		  "until this is mended they would not survive a restart",
	    s->path, s->problem);
}

int
store_end(struct store *s)
{
	CHECK_OBJ(s, STORE_MAGIC);
	if (s->db == NULL)
		return 0;
	store_run(s, COMMIT);
	if (!s->failed)
		return 0;
	if (!sqlite3_get_autocommit(s->db))
		run(s, queries[ROLLBACK]);
	complain(s);
	s->behind = true;
	return -1;
}

int
store_end_whole(struct store *s)
{
	if (store_end(s) < 0)
		return -1;
	if (s->behind)
		log_info("state %s: everything is written", s->path);
	s->behind = false;
	return 0;
}

bool
store_is_file(const struct store *s)
{
	CHECK_OBJ(s, STORE_MAGIC);
	return s->db != NULL;
}

bool
store_behind(const struct store *s)
{
	CHECK_OBJ(s, STORE_MAGIC);
	return s->behind;
}

const char *
store_problem(const struct store *s)
{
	CHECK_OBJ(s, STORE_MAGIC);
	return s->behind ? s->problem : NULL;
}

void
store_put_weight(struct store *s, const struct stored_weight *w)
{
	CHECK_OBJ(s, STORE_MAGIC);
	if (s->db == NULL)
		return;
	store_bind_text(s, PUT_WEIGHT, 1, w->service);
	store_bind_text(s, PUT_WEIGHT, 2, w->version);
	store_bind_number(s, PUT_WEIGHT, 3, w->weight);
	store_bind_number(s, PUT_WEIGHT, 4, w->filed);
	store_run(s, PUT_WEIGHT);
}

void
store_drop_weights(struct store *s)
{
	CHECK_OBJ(s, STORE_MAGIC);
	if (s->db != NULL)
		store_run(s, DROP_WEIGHTS);
}

void
store_put_pod(struct store *s, const struct stored_pod *p)
{
	CHECK_OBJ(s, STORE_MAGIC);
	if (s->db == NULL)
		return;
	store_bind_text(s, PUT_POD, 1, p->service);
	store_bind_text(s, PUT_POD, 2, p->version);
	store_bind_text(s, PUT_POD, 3, p->address);
	store_bind_number(s, PUT_POD, 4, p->added);
	store_bind_number(s, PUT_POD, 5, p->removed);
	store_bind_number(s, PUT_POD, 6, p->weight);
	store_bind_number(s, PUT_POD, 7, p->order);
	store_bind_text(s, PUT_POD, 8, p->name);
	store_run(s, PUT_POD);
}

void
store_drop_pod(struct store *s, const char *service, const char *version,
    const char *address)
{
	CHECK_OBJ(s, STORE_MAGIC);
	if (s->db == NULL)
		return;
	store_bind_text(s, DROP_POD, 1, service);
	store_bind_text(s, DROP_POD, 2, version);
	store_bind_text(s, DROP_POD, 3, address);
	store_run(s, DROP_POD);
}

void
store_drop_pods(struct store *s)
{
	CHECK_OBJ(s, STORE_MAGIC);
	if (s->db != NULL)
		store_run(s, DROP_PODS);
}

void
store_put_epoch(struct store *s, const struct stored_epoch *e)
{
	CHECK_OBJ(s, STORE_MAGIC);
	if (s->db == NULL)
		return;
	store_bind_text(s, PUT_EPOCH, 1, e->service);
	store_bind_text(s, PUT_EPOCH, 2, e->version != NULL ? e->version : "");
	store_bind_number(s, PUT_EPOCH, 3, e->epoch);
	store_run(s, PUT_EPOCH);
}

void
store_drop_epochs(struct store *s, const char *service)
{
	CHECK_OBJ(s, STORE_MAGIC);
	if (s->db == NULL)
		return;
	store_bind_text(s, DROP_EPOCHS, 1, service);
	store_run(s, DROP_EPOCHS);
}

/* Reading. */

const char *
store_text(struct store *s, enum query q, int column)
{
	return (const char *)sqlite3_column_text(s->queries[q], column);
}

uint64_t
store_number(struct store *s, enum query q, int column)
{
	return (uint64_t)sqlite3_column_int64(s->queries[q], column);
}

bool
store_next(struct store *s, enum query q, bool *failed)
{
	int rc = sqlite3_step(s->queries[q]);

	*failed = rc != SQLITE_ROW && rc != SQLITE_DONE;
	if (*failed)
		log_error("state %s: %s", s->path, sqlite3_errmsg(s->db));
	if (rc != SQLITE_ROW)
		sqlite3_reset(s->queries[q]);
	return rc == SQLITE_ROW;
}

void
store_enough(struct store *s, enum query q)
{
	sqlite3_reset(s->queries[q]);
	sqlite3_clear_bindings(s->queries[q]);
}

int
store_each_weight(struct store *s,
    void (*each)(void *arg, const struct stored_weight *w), void *arg)
{
	const enum query q = EACH_WEIGHT;
	bool failed = false;

	CHECK_OBJ(s, STORE_MAGIC);
	while (s->db != NULL && store_next(s, q, &failed))
		each(arg, &(struct stored_weight){
			      .service = store_text(s, q, 0),
			      .version = store_text(s, q, 1),
			      .weight = store_number(s, q, 2),
			      .filed = store_number(s, q, 3),
			  });
	return failed ? -1 : 0;
}

int
store_each_pod(struct store *s,
    void (*each)(void *arg, const struct stored_pod *p), void *arg)
{
	const enum query q = EACH_POD;
	bool failed = false;

	CHECK_OBJ(s, STORE_MAGIC);
	while (s->db != NULL && store_next(s, q, &failed))
		each(arg, &(struct stored_pod){
			      .service = store_text(s, q, 0),
			      .version = store_text(s, q, 1),
			      .address = store_text(s, q, 2),
			      .added = store_number(s, q, 3) != 0,
			      .removed = store_number(s, q, 4) != 0,
			      .weight = (uint16_t)store_number(s, q, 5),
			      .order = (unsigned)store_number(s, q, 6),
			      .name = store_text(s, q, 7),
			  });
	return failed ? -1 : 0;
}

int
store_each_epoch(struct store *s,
    void (*each)(void *arg, const struct stored_epoch *e), void *arg)
{
	const enum query q = EACH_EPOCH;
	bool failed = false;

	CHECK_OBJ(s, STORE_MAGIC);
	while (s->db != NULL && store_next(s, q, &failed)) {
		const char *version = store_text(s, q, 1);

		each(arg, &(struct stored_epoch){
			      .service = store_text(s, q, 0),
			      .version = version[0] != '\0' ? version : NULL,
			      .epoch = (uint32_t)store_number(s, q, 2),
			  });
	}
	return failed ? -1 : 0;
}
