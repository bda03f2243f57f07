package config

import "slices"

// Reasons that several keys share; each completes the sentence of its fate.
const (
	whyJVM       = "it tunes Java's threads, buffers or caches, which zkd does not have"
	whyTest      = "it is a switch for ZooKeeper's own tests"
	whyWaits     = "the waits between servers are zkd's own, or follow from initLimit and syncLimit"
	whySync      = "zkd chooses by itself between sending a server what it lacks and sending it everything"
	whyNoTLS     = "zkd serves no TLS, so that the setting concerns no port"
	whySASLSuper = "nobody can authenticate by SASL or by certificate, so that nobody becomes the superuser by it"
	whyBatch     = "zkd writes what has gathered while the last sync ran, without waiting"
	whyThrottle  = "connections and requests are not throttled; limits.max_outstanding and client.max_connections bound them"
	whySASL      = "clients and servers could not authenticate by SASL"
	fixTLS       = "remove it and keep the port within a trusted network, or stay with ZooKeeper until zkd has TLS"
	fixSASL      = "remove it if clients may do without, or stay with ZooKeeper until zkd has SASL"
)

func javaCoreKeys() []javaKey {
	return slices.Concat([]javaKey{
		mapped("dataDir", "data_dir", javaText),
		mapped("dataLogDir", "log_dir", javaText),
		{name: "clientPort"},           // zooReader.clientPort
		{name: "clientPortAddress"},    // zooReader.clientPort
		{name: "dynamicConfigFile"},    // zooReader.ensemble
		{name: "multiAddress.enabled"}, // zooReader.ensemble
		mapped("tickTime", "session.tick_time", javaMillis),
		mapped("minSessionTimeout", "session.min_timeout", javaTimeout),
		mapped("maxSessionTimeout", "session.max_timeout", javaTimeout),
		mapped("maxClientCnxns", "client.max_connections_per_address", javaLimit),
		mapped("maxCnxns", "client.max_connections", javaLimit),
		mapped("initLimit", "ensemble.init_limit", javaInt),
		mapped("syncLimit", "ensemble.sync_limit", javaInt),
		mapped("4lw.commands.whitelist", "words.allow", javaWords).oddly(oddWords),
		mapped("globalOutstandingLimit", "limits.max_outstanding", javaInt),
		mapped("jute.maxbuffer", "client.max_frame", javaDecoded).asFlag(),
		mapped("nio.sessionlessCnxnTimeout", "client.handshake_timeout", javaDecodedMillis),

		mapped("admin.enableServer", "admin.enabled", javaUnless("false")).oddly(oddUnless("false", "true")),
		{name: "admin.serverAddress"}, // zooReader.adminPort
		{name: "admin.serverPort"},    // zooReader.adminPort
	},
		withoutEffect("the paths of the admin port are fixed", "admin.commandURL"),
		withoutEffect("the admin port closes idle connections by itself", "admin.idleTimeout"),
		withoutEffect("the admin port speaks HTTP/1.1", "admin.httpVersion"),
		withoutEffect("snapshots and restores are not done over the admin port",
			"admin.snapshot.enabled", "admin.restore.enabled", "admin.rateLimiterIntervalInMS"),
		unsafe("the admin port would be plain HTTP", "remove it; without admin.serverAddress the port is reachable from this host only",
			onlyFalse, "admin.portUnification", "admin.forceHttps", "admin.needClientAuth"),
		withoutEffect("metrics are always served as /metrics on the admin port, in Prometheus' format", "metricsProvider.className"),
		unavailable("scrape /metrics on the admin port instead", nil,
			"metricsProvider.httpHost", "metricsProvider.httpPort"),
		unsafe("metrics are served without TLS on the admin port", "remove it and scrape /metrics on the admin port",
			nil, "metricsProvider.httpsPort"),
		unsafe("3 is the only election there is, in ZooKeeper since 3.6", "write electionAlg=3, or remove the line",
			func(value string) bool { return value == "3" }, "electionAlg"),
		withoutEffect("the system's own backlog is used", "clientPortListenBacklog"),
		withoutEffect("there is one implementation of the client port", "serverCnxnFactory"),
		withoutEffect("a server that stands alone is an ensemble of one", "standaloneEnabled"),
		withoutEffect("clients are found dead by the timeouts of their sessions", "clientTcpKeepAlive"),
		unavailable("reconfig requests are answered as by ZooKeeper with reconfigEnabled=false", unlessTrue, "reconfigEnabled"),
		unavailable("all sessions are global", unlessTrue, "localSessionsEnabled", "localSessionsUpgradingEnabled"),
		unavailable("a server without a quorum refuses clients", unlessTrue, "readonlymode.enabled"),
		unsafe("no audit log would be written", "remove it if nobody relies on the audit log", onlyFalse, "audit.enable"),
		withoutEffect("there is no audit log", "audit.impl.class"),
		withoutEffect("the Go runtime's pauses are in the metrics", "jvm.pause.monitor", "jvm.pause.info-threshold.ms",
			"jvm.pause.warn-threshold.ms", "jvm.pause.sleep.time.ms"),
		withoutEffect("there is no JMX", "jmx.log4j.disable", "jmx.log4j.mbean"),
	)
}

func javaStorageKeys() []javaKey {
	return slices.Concat([]javaKey{
		mapped("autopurge.snapRetainCount", "storage.purge_retain", javaAtLeast(3)).oddly(raisedTo(3)),
		mapped("autopurge.purgeInterval", "storage.purge_interval", javaPurge),
		mapped("preAllocSize", "storage.preallocate", javaPrealloc),
		mapped("snapCount", "storage.snap_count", javaAtLeast(2)).oddly(raisedTo(2)),
		mapped("snapSizeLimitInKb", "storage.snap_size", javaDecodedKiB),
		mapped("txnLogSizeLimitInKb", "storage.log_size", javaDecodedKiB),
		mapped("forceSync", "storage.force_sync", javaUnless("no")).oddly(oddUnless("no", "yes")),
		mapped("fsync.warningthresholdms", "storage.fsync_warning", javaDecodedMillis),
		mapped("snapshot.compression.method", "storage.compression", javaText),
		mapped("extendedTypesEnabled", "nodes.ttl", javaTrueOnly).oddly(oddBool),
		mapped("znode.container.checkIntervalMs", "nodes.reap_interval", javaDecodedMillis).asFlag(),
		mapped("znode.container.maxPerMinute", "nodes.reap_per_minute", javaDecoded).asFlag(),
		mapped("znode.container.maxNeverUsedIntervalMs", "nodes.container_never_used", javaDecodedMillis).asFlag(),
		mapped("enforceQuota", "limits.enforce_quota", javaTrueOnly).oddly(oddBool),
	},
		withoutEffect(whyBatch, "flushDelay", "maxWriteQueuePollTime", "maxBatchSize"),
		unavailable("a log without a snapshot to build on is never trusted", unlessTrue, "snapshot.trust.empty"),
		withoutEffect("snapshots are consistent at one zxid, which they name", "serializeLastProcessedZxid.enabled"),
		withoutEffect("the digest of the tree is always kept", "digest.enabled"),
		unavailable("the paths of its ephemerals always stand in the transaction that closes a session", unlessFalse, "closeSessionTxn.enabled"),
		unavailable("a missing data directory is made", unlessFalse, "datadir.autocreate"),
		unavailable("an empty data directory is a new, empty database", unlessFalse, "db.autocreate"),
		unsafe("nodes written so would be taken for ephemerals of sessions that are gone, and deleted",
			"rewrite the TTL nodes with a ZooKeeper that has extendedTypesEnabled first", onlyFalse, "emulate353TTLNodes"),
		withoutEffect("it bounds Java's reading of stored records; zkd's bound follows jute.maxbuffer", "jute.maxbuffer.extrasize"),
	)
}

func javaAccessKeys() []javaKey {
	tls := []string{"protocol", "enabledProtocols", "ciphersuites", "context.supplier.class", "hostnameVerification",
		"clientHostnameVerification", "allowReverseDnsLookup", "crl", "ocsp", "clientAuth", "handshakeDetectionTimeoutMillis",
		"keyStore.location", "keyStore.passwordPath", "keyStore.type", "trustStore.location", "trustStore.passwordPath", "trustStore.type"}
	var ssl []string
	for _, prefix := range []string{"ssl.", "ssl.quorum."} {
		for _, suffix := range tls {
			ssl = append(ssl, prefix+suffix)
		}
	}
	passwords := []string{"ssl.keyStore.password", "ssl.trustStore.password", "ssl.quorum.keyStore.password", "ssl.quorum.trustStore.password"}
	return slices.Concat([]javaKey{
		mapped("skipACL", "auth.skip_acl", javaYes).oddly(oddYes),
		mapped("DigestAuthenticationProvider.superDigest", "auth.super_digest", javaText).hidden(),
		mapped("DigestAuthenticationProvider.enabled", "auth.digest", javaTrueOnly).oddly(oddBool),
		mapped("DigestAuthenticationProvider.digestAlg", "auth.digest_algorithm", javaUpper),
	},
		unsafe("clients that come to it for TLS would find nothing, or be tempted to plaintext", fixTLS, nil,
			"secureClientPort", "secureClientPortAddress"),
		unsafe("the client port would be plaintext for all", fixTLS, onlyFalse, "client.portUnification"),
		unsafe("the servers would speak plaintext with each other", fixTLS, onlyFalse, "sslQuorum", "portUnification"),
		keysOf(javaKey{fate: notYet, why: whyNoTLS}, ssl...),
		keysOf(javaKey{fate: notYet, why: whyNoTLS, secret: true}, passwords...),
		unavailable(whyNoTLS, unlessTrue, "sslQuorumReloadCertFiles", "client.certReload"),
		withoutEffect(whyNoTLS, "ssl.authProvider", "ssl.sslProvider", "fips-mode",
			"netty.server.outstandingHandshake.limit", "netty.server.earlyDropSecureConnectionHandshakes"),

		unsafe("clients could come in without the authentication that it demands", fixSASL, onlyFalse,
			"enforce.auth.enabled", "sessionRequireClientSASLAuth"),
		withoutEffect("enforce.auth.enabled is what demands them", "enforce.auth.schemes"),
		unsafe("the servers would trust each other without it", fixSASL, onlyFalse,
			"quorum.auth.enableSasl", "quorum.auth.learnerRequireSasl", "quorum.auth.serverRequireSasl"),
		withoutEffect(whySASL, "quorum.auth.learner.saslLoginContext", "quorum.auth.server.saslLoginContext",
			"quorum.auth.kerberos.servicePrincipal", "quorum.cnxn.threads.size", "allowSaslFailedClients",
			"kerberos.removeHostFromPrincipal", "kerberos.removeRealmFromPrincipal", "kerberos.canonicalizeHostNames",
			"kerberos.minReLoginTimeMs", "security.auth_to_local", "requireKerberosConfig", "kinit", "sasl.serverconfig"),
		unavailable(whySASL, nil, "java.security.auth.login.config"),
		unavailable(whySASLSuper, nil, "X509AuthenticationProvider.superUser", "superUser", "letAnySaslUserDoX"),
		keysOf(javaKey{fate: notYet, why: whySASLSuper, secret: true}, "SASLAuthenticationProvider.superPassword"),
		unsafe("clients that send the name of their ensemble would be refused", "remove it if no client sends the name", nil, "ensembleAuthName"),
		withoutEffect("clients are known by the address they connect from", "IPAuthenticationProvider.usexforwardedfor"),
		withoutEffect("ACLs are checked once, in the order of the writes", "enableEagerACLCheck"),
	)
}

func javaClusterKeys() []javaKey {
	return slices.Concat([]javaKey{
		mapped("quorumListenOnAllIPs", "ensemble.listen_on_all", javaBool),
		mapped("cnxTimeout", "ensemble.connect_timeout", javaMillis),
		mapped("tcpKeepAlive", "ensemble.keep_alive", javaKeepAlive).oddly(oddBool),
	},
		withoutEffect("the role is that of the server's own entry in the server list", "peerType"),
		withoutEffect(whyWaits, "quorumCnxnTimeoutMs", "electionPortBindRetry", "connectToLearnerMasterLimit",
			"fastleader.minNotificationInterval", "fastleader.maxNotificationInterval", "leader.maxTimeToWaitForEpoch",
			"leaderConnectDelayDuringRetryMs", "observer.reconnectDelayMs", "observer.election.DelayMs"),
		unavailable("the leader serves clients, too", func(value string) bool { return value != "no" }, "leaderServes"),
		unavailable("observers cannot follow this server, they follow the leader", unlessPositive, "observerMasterPort"),
		withoutEffect("observers follow the leader, and no other server", "observerMaster.sizeLimit"),
		withoutEffect("an observer always keeps a log and snapshots", "syncEnabled", "observer.syncEnabled"),
		withoutEffect(whyJVM, "follower.skipLearnerRequestToNextProcessor", "forward_learner_requests_to_commit_processor_disabled",
			"learner.asyncSending", "learner.closeSocketAsync", "leader.closeSocketAsync"),
		withoutEffect(whySync, "leader.maxConcurrentSnapSyncs", "leader.maxConcurrentDiffSyncs", "commitLogCount", "snapshotSizeFactor"),
		withoutEffect("acknowledgements are not logged", "leader.ackLoggingFrequency"),
		withoutEffect("all addresses of a server are tried at once", "multiAddress.reachabilityCheckEnabled", "multiAddress.reachabilityCheckTimeoutMs"),
		withoutEffect("packets between servers never wait for others to fill a segment", "leader.nodelay", "follower.nodelay"),
		unavailable("two voters need each other; no oracle decides for one of them", nil, "oraclePath"),
		withoutEffect(whyTest, "forceSnapshotSync", "testingonly.initialZxid", "test.allowDiscontinuousProposals"),
	)
}

func javaTuningKeys() []javaKey {
	return slices.Concat(
		unavailable(whyThrottle, unlessPositive, "request_throttle_max_requests", "connection_throttle_tokens",
			"throttled_op_wait_time", "largeRequestThreshold"),
		withoutEffect(whyThrottle, "request_throttle_stall_time", "request_throttle_drop_stale", "request_stale_latency_check",
			"request_stale_connection_check", "request_throttler.shutdownTimeout", "connection_throttle_fill_time",
			"connection_throttle_fill_count", "connection_throttle_freeze_time", "connection_throttle_drop_increase",
			"connection_throttle_drop_decrease", "connection_throttle_decrease_ratio", "connection_throttle_weight_enabled",
			"connection_throttle_global_session_weight", "connection_throttle_local_session_weight",
			"connection_throttle_renew_session_weight", "largeRequestMaxBytes"),
		withoutEffect(whyJVM, "maxResponseCacheSize", "maxGetChildrenResponseCacheSize", "commitProcessor.numWorkerThreads",
			"commitProcessor.maxReadBatchSize", "commitProcessor.maxCommitBatchSize", "commitProcessor.shutdownTimeout",
			"nio.numSelectorThreads", "nio.numWorkerThreads", "nio.directBufferBytes", "nio.shutdownTimeout",
			"intBufferStartingSizeBytes", "watchManagerName", "watcherCleanThreadsNum", "watcherCleanThreshold",
			"watcherCleanIntervalInSeconds", "maxInProcessingDeadWatchers", "bitHashCacheSize", "netty.advancedFlowControl.enabled"),
		withoutEffect("requests are not counted by path", "pathStats.enabled", "pathStats.slotCapacity", "pathStats.slotDuration",
			"pathStats.maxDepth", "pathStats.sampleRate", "pathStats.initialDelay", "pathStats.delay", "pathStats.topPathMax"),
		withoutEffect("packets between servers are not kept for the log", "messageTracker.Enabled", "messageTracker.BufferSize"),
		withoutEffect("it is a setting of clients", "client.secure", "clientCnxnSocket", "request.timeout", "sasl.client",
			"sasl.clientconfig", "sasl.client.username", "sasl.client.canonicalize.hostname", "sasl.client.allowReverseDnsLookup",
			"disableAutoWatchReset", "hostProvider.dnsSrvRefreshIntervalSeconds", "shuffleDnsResponse"),
	)
}
