// Runs node-zookeeper-client against the server of the first argument, one function a step. The package
// comes from NODE_PATH.
'use strict';

const assert = require('assert');
const readline = require('readline');
const { promisify } = require('util');
const zookeeper = require('node-zookeeper-client');

const WAIT_MILLIS = 30000;
const SESSION_MILLIS = 20000;
const { ACL, CreateMode, Exception, State } = zookeeper;
const server = process.argv[2];
const answers = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();

function within(what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${WAIT_MILLIS} ms: ${what}`)), WAIT_MILLIS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// A queue of what callbacks bring.
class Inbox {
  constructor() {
    this.items = [];
    this.wake = () => {};
  }

  put(item) {
    this.items.push(item);
    this.wake();
  }

  // Takes what comes until it is what was wanted.
  take(wanted) {
    return within(`${wanted} comes`, (async () => {
      for (;;) {
        while (this.items.length > 0) {
          if (this.items.shift() === wanted) {
            return;
          }
        }
        await new Promise((resolve) => { this.wake = resolve; });
      }
    })());
  }
}

async function connect() {
  const client = zookeeper.createClient(server, { sessionTimeout: SESSION_MILLIS, spinDelay: 50 });
  const connected = new Promise((resolve) => client.once('connected', resolve));
  client.connect();
  await within('the client connects', connected);
  // Callbacks with one result as promises; those with two (data or children, and stat) as [result, stat].
  const single = (name) => promisify(client[name].bind(client));
  const pair = (name) => (...args) => new Promise((resolve, reject) => {
    client[name](...args, (error, first, second) => (error ? reject(error) : resolve([first, second])));
  });
  return {
    client,
    create: single('create'),
    exists: single('exists'),
    setData: single('setData'),
    remove: single('remove'),
    mkdirp: single('mkdirp'),
    removeRecursive: single('removeRecursive'),
    getData: pair('getData'),
    getChildren: pair('getChildren'),
    getACL: pair('getACL'),
    session: () => client.getSessionId().toString('hex'),
  };
}

function close(zk) {
  const closed = new Promise((resolve) => zk.client.once('disconnected', resolve));
  zk.client.close();
  return within('the client closes', closed);
}

function step(name) {
  console.log(`step ${name}`);
}

async function tell(request) {
  console.log(request);
  const answer = await answers.next();
  assert.strictEqual(answer.value, 'done');
}

async function fails(code, promise) {
  await assert.rejects(promise, (error) => {
    assert.strictEqual(error.code, code, `${error}`);
    return true;
  });
}

async function nodes() {
  const zk = await connect();
  assert.strictEqual(await zk.create('/nodes', Buffer.from('1')), '/nodes');
  await fails(Exception.NODE_EXISTS, zk.create('/nodes'));
  await fails(Exception.NO_NODE, zk.create('/none/child'));
  const [data, stat] = await zk.getData('/nodes');
  assert.strictEqual(data.toString(), '1');
  assert.strictEqual(stat.version, 0);
  assert.strictEqual((await zk.setData('/nodes', Buffer.from('22'), 0)).version, 1);
  await fails(Exception.BAD_VERSION, zk.setData('/nodes', Buffer.from('3'), 7));
  assert.strictEqual(await zk.exists('/none'), null);
  assert.strictEqual(await zk.create('/nodes/s-', CreateMode.PERSISTENT_SEQUENTIAL), '/nodes/s-0000000000');
  assert.strictEqual(await zk.create('/nodes/e-', CreateMode.EPHEMERAL_SEQUENTIAL), '/nodes/e-0000000001');
  assert.strictEqual((await zk.exists('/nodes/e-0000000001')).ephemeralOwner.toString('hex'), zk.session());
  await zk.mkdirp('/nodes/deep/er');
  const [children, parent] = await zk.getChildren('/nodes');
  assert.deepStrictEqual(children.sort(), ['deep', 'e-0000000001', 's-0000000000']);
  assert.strictEqual(parent.numChildren, 3);
  await fails(Exception.NOT_EMPTY, zk.remove('/nodes'));
  await zk.remove('/nodes/deep/er'); // removeRecursive of this version sees only children of the path
  await zk.removeRecursive('/nodes');
  await fails(Exception.NO_NODE, zk.getData('/nodes'));
  await close(zk);
}

async function transactions() {
  const zk = await connect();
  const commit = (transaction) => promisify(transaction.commit.bind(transaction))();
  await zk.create('/tx', Buffer.from('0'));
  await zk.setData('/tx', Buffer.from('1'));
  const results = await commit(zk.client.transaction()
    .check('/tx', 1)
    .create('/tx/child', Buffer.from('c'))
    .setData('/tx', Buffer.from('2'), 1)
    .remove('/tx/child'));
  assert.strictEqual(results.length, 4);
  assert.strictEqual(results[1].path, '/tx/child');
  assert.strictEqual(results[2].stat.version, 2);
  await fails(Exception.BAD_VERSION, commit(zk.client.transaction().create('/tx/never').check('/tx', 1)));
  assert.strictEqual(await zk.exists('/tx/never'), null);
  await close(zk);
}

async function identities() {
  const owner = await connect();
  const stranger = await connect();
  await fails(Exception.INVALID_ACL, owner.create('/private', Buffer.from('p'), ACL.CREATOR_ALL_ACL));
  owner.client.addAuthInfo('digest', Buffer.from('alice:secret'));
  await owner.create('/private', Buffer.from('p'), ACL.CREATOR_ALL_ACL);
  const [acls] = await owner.getACL('/private');
  assert.strictEqual(acls.length, 1);
  assert.strictEqual(acls[0].id.scheme, 'digest');
  await fails(Exception.NO_AUTH, stranger.getData('/private'));
  stranger.client.addAuthInfo('digest', Buffer.from('alice:secret'));
  assert.strictEqual((await stranger.getData('/private'))[0].toString(), 'p');
  await close(owner);
  await close(stranger);
}

async function watches() {
  const zk = await connect();
  const other = await connect();
  const seen = new Inbox();
  const watcher = (event) => seen.put(`${event.getName()} ${event.getPath()}`);
  await zk.exists('/watched', watcher);
  await other.create('/watched', Buffer.from('1'));
  await seen.take('NODE_CREATED /watched');
  await zk.getData('/watched', watcher);
  await other.setData('/watched', Buffer.from('2'));
  await seen.take('NODE_DATA_CHANGED /watched');
  await zk.getChildren('/watched', watcher);
  await other.create('/watched/child');
  await seen.take('NODE_CHILDREN_CHANGED /watched');
  await zk.exists('/watched/child', watcher);
  await other.remove('/watched/child');
  await seen.take('NODE_DELETED /watched/child');
  await close(zk);
  await close(other);
}

// A kill of the server costs a client its connection, never its session, its ephemerals or its watches.
async function reconnect() {
  const zk = await connect();
  const states = new Inbox();
  const seen = new Inbox();
  const watcher = (event) => seen.put(`${event.getName()} ${event.getPath()}`);
  let expired = false;
  zk.client.on('state', (state) => {
    states.put(state);
    expired = expired || state === State.EXPIRED;
  });
  zk.client.addAuthInfo('digest', Buffer.from('alice:secret'));
  const session = zk.session();
  await zk.create('/kept', Buffer.from('before'), CreateMode.EPHEMERAL);
  await zk.create('/family');
  await zk.getData('/kept', watcher);
  await zk.exists('/later', watcher);
  await zk.getChildren('/family', watcher);

  await tell('server kill');
  await states.take(State.DISCONNECTED);
  await tell('server start');
  if (process.env.ZKD_E2E_TARGET === 'apache' && zk.client.getState() !== State.SYNC_CONNECTED) {
    // A starting Apache ZooKeeper forgets connections that come before its data is loaded: it neither serves
    // nor closes them, and this client has no timeout of its own. zkd gets no such help.
    zk.client.connectionManager.socket.destroy();
  }
  await states.take(State.SYNC_CONNECTED);
  step('reconnected');

  assert.strictEqual(zk.session(), session);
  assert.strictEqual((await zk.exists('/kept')).ephemeralOwner.toString('hex'), session);
  assert.strictEqual((await zk.getData('/private'))[0].toString(), 'p');
  step('session kept over kill -9');

  const other = await connect();
  await other.setData('/kept', Buffer.from('after'));
  await seen.take('NODE_DATA_CHANGED /kept');
  await other.create('/later');
  await seen.take('NODE_CREATED /later');
  await other.create('/family/child');
  await seen.take('NODE_CHILDREN_CHANGED /family');
  assert(!expired, 'the session expired');
  step('watches kept over kill -9');

  await close(zk);
  assert.strictEqual(await other.exists('/kept'), null);
  await close(other);
  step('close ends the session');
}

async function main() {
  for (const run of [nodes, transactions, identities, watches]) {
    await run();
    step(run.name);
  }
  await reconnect();
}

main().then(() => process.exit(0), (error) => {
  console.log(error);
  process.exit(1);
});
