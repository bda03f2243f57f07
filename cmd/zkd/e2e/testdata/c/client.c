/*
 * Runs the C client library against the server of the first argument, one function a step.
 * Build with -DTHREADED and -lzookeeper_mt.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <zookeeper.h>

enum { WAIT_SECONDS = 30, SESSION_MILLIS = 20000, MAX_EVENTS = 256, MAX_PATH = 256 };

static void fail(const char *what, int line)
{
	printf("line %d: %s\n", line, what);
	exit(1);
}

#define CHECK(condition)                        \
	do {                                    \
		if (!(condition))               \
			fail(#condition, __LINE__); \
	} while (0)

#define CODE(want, call)                                                                    \
	do {                                                                                \
		int got = (call);                                                           \
		if (got != (want)) {                                                        \
			printf("line %d: %s: %s, want %s\n", __LINE__, #call, zerror(got), zerror(want)); \
			exit(1);                                                            \
		}                                                                           \
	} while (0)

/* The events of all handles, as the library's threads bring them. */
struct event {
	int type, state;
	char path[MAX_PATH];
};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct event events[MAX_EVENTS];
static int event_count, events_taken;
static int auth_result = 1; /* no result yet */

static void watcher(zhandle_t *zh, int type, int state, const char *path, void *context)
{
	(void)zh, (void)context;
	pthread_mutex_lock(&lock);
	if (event_count == MAX_EVENTS)
		fail("more events than any step makes", __LINE__);
	struct event *event = &events[event_count++];
	event->type = type;
	event->state = state;
	snprintf(event->path, sizeof event->path, "%s", path ? path : "");
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static struct timespec deadline(void)
{
	struct timespec end;
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += WAIT_SECONDS;
	return end;
}

/* Waits for an event of this type, state and path; what came before it is passed over. */
static void await_event(int type, int state, const char *path, int line)
{
	struct timespec end = deadline();
	pthread_mutex_lock(&lock);
	for (;;) {
		while (events_taken < event_count) {
			struct event *event = &events[events_taken++];
			if (event->type == type && event->state == state && strcmp(event->path, path) == 0) {
				pthread_mutex_unlock(&lock);
				return;
			}
		}
		if (pthread_cond_timedwait(&changed, &lock, &end) != 0) {
			for (int i = 0; i < event_count; i++)
				printf("event: type %d, state %d, path '%s'\n", events[i].type, events[i].state, events[i].path);
			printf("wanted: type %d, state %d, path '%s'\n", type, state, path);
			fail("the event does not come", line);
		}
	}
}
#define AWAIT_SESSION(state) await_event(ZOO_SESSION_EVENT, (state), "", __LINE__)
#define AWAIT(type, path) await_event((type), ZOO_CONNECTED_STATE, (path), __LINE__)

static void auth_done(int rc, const void *data)
{
	(void)data;
	pthread_mutex_lock(&lock);
	auth_result = rc;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void add_auth(zhandle_t *zh, const char *cert)
{
	struct timespec end = deadline();
	auth_result = 1;
	CODE(ZOK, zoo_add_auth(zh, "digest", cert, (int)strlen(cert), auth_done, NULL));
	pthread_mutex_lock(&lock);
	while (auth_result == 1)
		if (pthread_cond_timedwait(&changed, &lock, &end) != 0)
			fail("no answer to the authentication", __LINE__);
	pthread_mutex_unlock(&lock);
	CODE(ZOK, auth_result);
}

static void step(const char *name)
{
	printf("step %s\n", name);
	fflush(stdout);
}

static void tell(const char *request)
{
	char answer[16];
	printf("%s\n", request);
	fflush(stdout);
	CHECK(fgets(answer, sizeof answer, stdin) != NULL);
	CHECK(strcmp(answer, "done\n") == 0);
}

static zhandle_t *connect_to(const char *server)
{
	zhandle_t *zh = zookeeper_init(server, watcher, SESSION_MILLIS, NULL, NULL, 0);
	CHECK(zh != NULL);
	AWAIT_SESSION(ZOO_CONNECTED_STATE);
	CHECK(zoo_recv_timeout(zh) == SESSION_MILLIS);
	return zh;
}

static void nodes(zhandle_t *zh)
{
	char path[MAX_PATH], data[16];
	int length = sizeof data;
	struct Stat stat;
	struct String_vector children;

	CODE(ZOK, zoo_create(zh, "/nodes", "1", 1, &ZOO_OPEN_ACL_UNSAFE, 0, path, sizeof path));
	CHECK(strcmp(path, "/nodes") == 0);
	CODE(ZNODEEXISTS, zoo_create(zh, "/nodes", "1", 1, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
	CODE(ZOK, zoo_get(zh, "/nodes", 0, data, &length, &stat));
	CHECK(length == 1 && data[0] == '1' && stat.version == 0 && stat.dataLength == 1);
	CODE(ZOK, zoo_set2(zh, "/nodes", "22", 2, 0, &stat));
	CHECK(stat.version == 1 && stat.mzxid > stat.czxid);
	CODE(ZBADVERSION, zoo_set(zh, "/nodes", "3", 1, 0));
	CODE(ZNONODE, zoo_exists(zh, "/none", 0, &stat));

	CODE(ZOK, zoo_create(zh, "/nodes/null", NULL, -1, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
	length = sizeof data;
	CODE(ZOK, zoo_get(zh, "/nodes/null", 0, data, &length, &stat));
	CHECK(length == -1); /* null data is not empty data */

	CODE(ZOK, zoo_create2(zh, "/nodes/s-", "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_SEQUENCE, path, sizeof path, &stat));
	CHECK(strcmp(path, "/nodes/s-0000000001") == 0 && stat.ephemeralOwner == 0);
	CODE(ZOK, zoo_create2(zh, "/nodes/e-", "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL | ZOO_SEQUENCE, path, sizeof path, &stat));
	CHECK(strcmp(path, "/nodes/e-0000000002") == 0);
	CHECK(stat.ephemeralOwner == zoo_client_id(zh)->client_id);
	CODE(ZNOCHILDRENFOREPHEMERALS, zoo_create(zh, "/nodes/e-0000000002/child", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));

	CODE(ZOK, zoo_get_children2(zh, "/nodes", 0, &children, &stat));
	CHECK(children.count == 3 && stat.numChildren == 3 && stat.cversion == 3);
	deallocate_String_vector(&children);
	CODE(ZNOTEMPTY, zoo_delete(zh, "/nodes", -1));
	CODE(ZOK, zoo_delete(zh, "/nodes/e-0000000002", -1));
}

static void watches(zhandle_t *zh, zhandle_t *other)
{
	char data[16];
	int length = sizeof data;
	struct Stat stat;
	struct String_vector children;

	CODE(ZNONODE, zoo_wexists(zh, "/watched", watcher, NULL, &stat));
	CODE(ZOK, zoo_create(other, "/watched", "1", 1, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
	AWAIT(ZOO_CREATED_EVENT, "/watched");
	CODE(ZOK, zoo_wget(zh, "/watched", watcher, NULL, data, &length, &stat));
	CODE(ZOK, zoo_set(other, "/watched", "2", 1, -1));
	AWAIT(ZOO_CHANGED_EVENT, "/watched");
	CODE(ZOK, zoo_wget_children(zh, "/watched", watcher, NULL, &children));
	deallocate_String_vector(&children);
	CODE(ZOK, zoo_create(other, "/watched/child", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
	AWAIT(ZOO_CHILD_EVENT, "/watched");
	CODE(ZOK, zoo_wexists(zh, "/watched/child", watcher, NULL, &stat));
	CODE(ZOK, zoo_delete(other, "/watched/child", 0));
	AWAIT(ZOO_DELETED_EVENT, "/watched/child");

	CODE(ZOK, zoo_wexists(zh, "/watched", watcher, NULL, &stat));
	CODE(ZOK, zoo_remove_watches(zh, "/watched", ZWATCHTYPE_DATA, watcher, NULL, 0));
	CODE(ZNOWATCHER, zoo_remove_watches(zh, "/watched", ZWATCHTYPE_DATA, watcher, NULL, 0));
}

static void multi(zhandle_t *zh)
{
	enum { OPS = 5, FAILING = 3 };
	char path[MAX_PATH];
	struct Stat stat;
	zoo_op_t ops[OPS], failing[FAILING];
	zoo_op_result_t results[OPS];

	zoo_create_op_init(&ops[0], "/multi", "0", 1, &ZOO_OPEN_ACL_UNSAFE, 0, path, sizeof path);
	zoo_check_op_init(&ops[1], "/multi", 0);
	zoo_set_op_init(&ops[2], "/multi", "1", 1, 0, &stat);
	zoo_create_op_init(&ops[3], "/multi/gone", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
	zoo_delete_op_init(&ops[4], "/multi/gone", 0);
	CODE(ZOK, zoo_multi(zh, OPS, ops, results));
	CHECK(strcmp(path, "/multi") == 0 && stat.version == 1 && stat.czxid == stat.mzxid);

	zoo_create_op_init(&failing[0], "/multi/never", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
	zoo_check_op_init(&failing[1], "/multi", 0);
	zoo_delete_op_init(&failing[2], "/multi", -1);
	CODE(ZBADVERSION, zoo_multi(zh, FAILING, failing, results));
	CODE(ZOK, results[0].err);
	CODE(ZBADVERSION, results[1].err);
	CODE(ZRUNTIMEINCONSISTENCY, results[2].err);
	CODE(ZNONODE, zoo_exists(zh, "/multi/never", 0, NULL));
}

static void identities(zhandle_t *zh, zhandle_t *stranger)
{
	char data[16];
	int length = sizeof data;

	CODE(ZINVALIDACL, zoo_create(zh, "/private", "p", 1, &ZOO_CREATOR_ALL_ACL, 0, NULL, 0));
	add_auth(zh, "alice:secret");
	CODE(ZOK, zoo_create(zh, "/private", "p", 1, &ZOO_CREATOR_ALL_ACL, 0, NULL, 0));
	CODE(ZOK, zoo_get(zh, "/private", 0, data, &length, NULL));
	CODE(ZNOAUTH, zoo_get(stranger, "/private", 0, data, &length, NULL));
	CODE(ZNOAUTH, zoo_set(stranger, "/private", "x", 1, -1));
	add_auth(stranger, "alice:secret");
	length = sizeof data;
	CODE(ZOK, zoo_get(stranger, "/private", 0, data, &length, NULL));
}

/* A kill of the server costs a client its connection, never its session, its ephemerals or its watches. */
static void reconnect(zhandle_t *zh, const char *server)
{
	char data[16];
	int length = sizeof data;
	struct Stat stat;
	struct String_vector children;
	int64_t session = zoo_client_id(zh)->client_id;

	CODE(ZOK, zoo_create(zh, "/kept", "before", 6, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL, NULL, 0));
	CODE(ZOK, zoo_wget(zh, "/kept", watcher, NULL, data, &length, &stat));
	CODE(ZNONODE, zoo_wexists(zh, "/later", watcher, NULL, &stat));
	CODE(ZOK, zoo_wget_children(zh, "/nodes", watcher, NULL, &children));
	deallocate_String_vector(&children);

	tell("server kill");
	AWAIT_SESSION(ZOO_CONNECTING_STATE);
	tell("server start");
	AWAIT_SESSION(ZOO_CONNECTED_STATE);
	step("reconnected");

	CHECK(zoo_client_id(zh)->client_id == session);
	CODE(ZOK, zoo_exists(zh, "/kept", 0, &stat));
	CHECK(stat.ephemeralOwner == session);
	length = sizeof data;
	CODE(ZOK, zoo_get(zh, "/private", 0, data, &length, NULL)); /* with the identity of before */
	step("session kept over kill -9");

	zhandle_t *other = connect_to(server);
	CODE(ZOK, zoo_set(other, "/kept", "after", 5, -1));
	AWAIT(ZOO_CHANGED_EVENT, "/kept");
	CODE(ZOK, zoo_create(other, "/later", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
	AWAIT(ZOO_CREATED_EVENT, "/later");
	CODE(ZOK, zoo_create(other, "/nodes/later", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
	AWAIT(ZOO_CHILD_EVENT, "/nodes");
	step("watches kept over kill -9");

	CODE(ZOK, zookeeper_close(zh));
	CODE(ZNONODE, zoo_exists(other, "/kept", 0, &stat));
	CODE(ZOK, zookeeper_close(other));
	step("close ends the session");
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
	zhandle_t *zh = connect_to(argv[1]);
	zhandle_t *other = connect_to(argv[1]);
	step("connect");
	nodes(zh);
	step("nodes");
	watches(zh, other);
	step("watches");
	multi(zh);
	step("multi");
	identities(zh, other);
	step("identities");
	CODE(ZOK, zookeeper_close(other));
	reconnect(zh, argv[1]);
	return 0;
}
