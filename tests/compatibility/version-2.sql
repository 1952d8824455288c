CREATE TABLE charges (
	id INTEGER NOT NULL, 
	day VARCHAR(10) NOT NULL, 
	reserved_at BIGINT NOT NULL, 
	owner VARCHAR(40) NOT NULL, 
	state VARCHAR(8) NOT NULL, 
	job VARCHAR, 
	request_id VARCHAR, 
	model VARCHAR NOT NULL, 
	size VARCHAR NOT NULL, 
	quality VARCHAR NOT NULL, 
	pictures INTEGER NOT NULL, 
	estimate_nano_usd BIGINT, 
	nano_usd BIGINT, 
	input_text_tokens BIGINT, 
	input_image_tokens BIGINT, 
	output_tokens BIGINT, 
	PRIMARY KEY (id), 
	CONSTRAINT charges_state CHECK (state IN ('reserved', 'sent', 'settled', 'unknown', 'released'))
);
CREATE INDEX ix_charges_day ON charges (day);
CREATE TABLE pictures (
	number INTEGER NOT NULL, 
	id VARCHAR(140) NOT NULL, 
	path VARCHAR NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	format VARCHAR(8) NOT NULL, 
	width INTEGER NOT NULL, 
	height INTEGER NOT NULL, 
	kind VARCHAR(8) NOT NULL, 
	model VARCHAR NOT NULL, 
	prompt TEXT NOT NULL, 
	parameters JSON NOT NULL, 
	applied JSON NOT NULL, 
	input_tokens BIGINT, 
	image_tokens BIGINT, 
	output_tokens BIGINT, 
	nano_usd BIGINT, 
	parents JSON NOT NULL, 
	made_us BIGINT NOT NULL, 
	client VARCHAR, 
	project VARCHAR, 
	session_id VARCHAR(40), 
	turn INTEGER, 
	parent_turn INTEGER, 
	late BOOLEAN NOT NULL, 
	asked BOOLEAN NOT NULL, 
	job_id VARCHAR, 
	request_id VARCHAR, 
	sandbox BOOLEAN NOT NULL, 
	PRIMARY KEY (number), 
	UNIQUE (id)
);
CREATE INDEX ix_pictures_path ON pictures (path);
CREATE UNIQUE INDEX pictures_turn ON pictures (session_id, turn);
CREATE INDEX pictures_project ON pictures (project, number);
CREATE TABLE sessions (
	id VARCHAR(40) NOT NULL, 
	created_us BIGINT NOT NULL, 
	updated_us BIGINT NOT NULL, 
	folder VARCHAR NOT NULL, 
	head INTEGER NOT NULL, 
	active BOOLEAN NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX ix_sessions_active ON sessions (active);
CREATE TABLE jobs (
	id VARCHAR(40) NOT NULL, 
	"key" VARCHAR(64) NOT NULL, 
	tool VARCHAR NOT NULL, 
	request JSON NOT NULL, 
	folder VARCHAR NOT NULL, 
	stem VARCHAR NOT NULL, 
	owner VARCHAR(40) NOT NULL, 
	state VARCHAR(8) NOT NULL, 
	created_us BIGINT NOT NULL, 
	ended_us BIGINT, 
	given_up BOOLEAN NOT NULL, 
	fetched BOOLEAN NOT NULL, 
	outcome JSON, 
	PRIMARY KEY (id), 
	CONSTRAINT jobs_state CHECK (state IN ('queued', 'sent', 'done', 'failed', 'lost'))
);
CREATE INDEX ix_jobs_key ON jobs ("key");
CREATE INDEX ix_jobs_created_us ON jobs (created_us);
CREATE VIRTUAL TABLE picture_words USING fts5(prompt, content='pictures', content_rowid='number', tokenize='unicode61 remove_diacritics 2');
CREATE TABLE schema_version (
	version INTEGER NOT NULL
);
INSERT INTO charges VALUES (1, '2026-11-28', 1795837873, 'dee901d43c584c1a80ab9763edbe9577', 'settled', 'job-18ed5e4dab2e', 'req_f7c393dc62154f8281f03ed4dc8f84c3', 'gpt-image-2', '1024x640', 'low', 2, 6560000, 6490000, 14, 0, 214);
INSERT INTO charges VALUES (2, '2026-11-28', 1795837873, 'dee901d43c584c1a80ab9763edbe9577', 'settled', 'job-8624abe35c1d', 'req_2fed440b52a7422034a3667ea715e890', 'gpt-image-2', '1024x640', 'low', 1, 8350000, 8350000, 4, 640, 107);
INSERT INTO charges VALUES (3, '2026-11-28', 1795837873, 'dee901d43c584c1a80ab9763edbe9577', 'settled', 'job-700eaf32aaa7', 'req_e976b8aad46c29d1fe9c358d15c687dd', 'gpt-image-2', '1024x640', 'low', 1, 8360000, 8360000, 6, 640, 107);
INSERT INTO charges VALUES (4, '2026-11-28', 1795837873, 'dee901d43c584c1a80ab9763edbe9577', 'settled', 'job-06f11c34d865', 'req_98884d8ccb59e4ca66407dc7c02d4590', 'gpt-image-2', '1024x640', 'low', 1, 8350000, 8350000, 4, 640, 107);
INSERT INTO charges VALUES (5, '2026-11-28', 1795837873, 'dee901d43c584c1a80ab9763edbe9577', 'settled', 'job-cbf091c7daab', 'req_41731dbf8772fe568cb151c5e3aaaa8b', 'gpt-image-2', '1024x640', 'low', 1, 8355000, 8355000, 5, 640, 107);
INSERT INTO charges VALUES (6, '2026-11-28', 1795837873, 'dee901d43c584c1a80ab9763edbe9577', 'settled', 'job-b1634aa45c6f', 'req_aba0ba7085c2a4fb31b7da2ffdee89dd', 'gpt-image-2', '1024x640', 'low', 1, 8355000, 8355000, 5, 640, 107);
INSERT INTO charges VALUES (7, '2026-11-28', 1795837873, 'dee901d43c584c1a80ab9763edbe9577', 'released', 'job-3fd2d35f5b36', NULL, 'gpt-image-2', '1024x640', 'low', 1, 3265000, NULL, NULL, NULL, NULL);
INSERT INTO charges VALUES (8, '2026-11-28', 1795837873, 'dee901d43c584c1a80ab9763edbe9577', 'unknown', 'job-4db86fa2c804', NULL, 'gpt-image-2', '1024x640', 'low', 1, 3275000, NULL, NULL, NULL, NULL);
INSERT INTO pictures VALUES (1795837873422447, 'image-20261128-035112-ecc73c-1', '/home/person/Pictures/gpt-image-2/foxes/image-20261128-035112-ecc73c-1.webp', '9724ff8cf569e6836845386dce2ff0d8c3655fda7be590a55c2a91a72ce580c2', 9706, 'webp', 1024, 640, 'image', 'gpt-image-2', 'A red fox in the snow, Zürich', '{"size": "1024x640", "quality": "low", "background": "auto", "output_format": "webp", "output_compression": 1, "moderation": "auto", "n": 2}', '{"size": "1024x640", "quality": "low", "n": 2, "format": "webp", "background": "opaque"}', 7, 0, 107, 3245000, '[]', 1795837873422447, 'mcp 0.1.0', 'foxes', NULL, NULL, NULL, 0, 0, 'job-18ed5e4dab2e', 'req_f7c393dc62154f8281f03ed4dc8f84c3', 0);
INSERT INTO pictures VALUES (1795837873422448, 'image-20261128-035112-ecc73c-2', '/home/person/Pictures/gpt-image-2/foxes/image-20261128-035112-ecc73c-2.webp', '4ee278b7612fd204ff09b574db0d42ce1dcf19dab8859c3dd42e861a63739666', 11224, 'webp', 1024, 640, 'image', 'gpt-image-2', 'A red fox in the snow, Zürich', '{"size": "1024x640", "quality": "low", "background": "auto", "output_format": "webp", "output_compression": 1, "moderation": "auto", "n": 2}', '{"size": "1024x640", "quality": "low", "n": 2, "format": "webp", "background": "opaque"}', 7, 0, 107, 3245000, '[]', 1795837873422447, 'mcp 0.1.0', 'foxes', NULL, NULL, NULL, 0, 0, 'job-18ed5e4dab2e', 'req_f7c393dc62154f8281f03ed4dc8f84c3', 0);
INSERT INTO pictures VALUES (1795837873558963, 'edit-20261128-035113-1b20b4', '/home/person/Pictures/gpt-image-2/foxes/edit-20261128-035113-1b20b4.webp', '78276124cea753934cca0a2a39b66ba1c274de6a43f57464fafeffd1b4f8234f', 7406, 'webp', 1024, 640, 'edit', 'gpt-image-2', 'The fox at night', '{"size": "1024x640", "quality": "low", "background": "auto", "output_format": "webp", "output_compression": 1, "moderation": "auto", "n": 1}', '{"size": "1024x640", "quality": "low", "n": 1, "format": "webp", "background": "opaque"}', 644, 640, 107, 8350000, '[{"source": "photo.png", "sha256": "4ccd69458184f1ec4df6c6ae02e94cf4e26b0a417dd4c4b922b9e5588bdd3a8d", "path": "/home/person/foxes/photo.png"}]', 1795837873558963, 'mcp 0.1.0', 'foxes', NULL, NULL, NULL, 0, 0, 'job-8624abe35c1d', 'req_2fed440b52a7422034a3667ea715e890', 0);
INSERT INTO pictures VALUES (1795837873630817, 'session-20261128-035113-0d011a', '/home/person/Pictures/gpt-image-2/foxes/session-20261128-035113-0d011a.webp', 'c70d8a518834f461d3fe1e33e345fedf630b6083bbfd7cfad72999afc5a39050', 7890, 'webp', 1024, 640, 'session', 'gpt-image-2', 'Make it a watercolour', '{"size": "1024x640", "quality": "low", "background": "auto", "output_format": "webp", "output_compression": 1, "moderation": "auto", "n": 1}', '{"size": "1024x640", "quality": "low", "n": 1, "format": "webp", "background": "opaque"}', 646, 640, 107, 8360000, '[{"source": "photo.png", "sha256": "4ccd69458184f1ec4df6c6ae02e94cf4e26b0a417dd4c4b922b9e5588bdd3a8d", "path": "/home/person/foxes/photo.png"}]', 1795837873630817, 'mcp 0.1.0', 'foxes', 'session-480c7fe1fb5d69b051a3895e', 1, 0, 0, 0, 'job-700eaf32aaa7', 'req_e976b8aad46c29d1fe9c358d15c687dd', 0);
INSERT INTO pictures VALUES (1795837873728628, 'session-20261128-035113-87d06f', '/home/person/Pictures/gpt-image-2/foxes/session-20261128-035113-87d06f.webp', 'a47eb08c11856b403e139f2f63aa2c1c0ab74695683e90602b4e9dbb6b1b1ca2', 9108, 'webp', 1024, 640, 'session', 'gpt-image-2', 'Add a lantern', '{"size": "1024x640", "quality": "low", "background": "auto", "output_format": "webp", "output_compression": 1, "moderation": "auto", "n": 1}', '{"size": "1024x640", "quality": "low", "n": 1, "format": "webp", "background": "opaque"}', 644, 640, 107, 8350000, '[{"source": "/home/person/Pictures/gpt-image-2/foxes/session-20261128-035113-0d011a.webp", "sha256": "c70d8a518834f461d3fe1e33e345fedf630b6083bbfd7cfad72999afc5a39050", "path": "/home/person/Pictures/gpt-image-2/foxes/session-20261128-035113-0d011a.webp", "id": "session-20261128-035113-0d011a"}]', 1795837873728628, 'mcp 0.1.0', 'foxes', 'session-480c7fe1fb5d69b051a3895e', 2, 1, 0, 0, 'job-06f11c34d865', 'req_98884d8ccb59e4ca66407dc7c02d4590', 0);
INSERT INTO pictures VALUES (1795837873819504, 'session-20261128-035113-1b4862', '/home/person/Pictures/gpt-image-2/foxes/session-20261128-035113-1b4862.webp', '9771e316aae801d482a4a91a9b3f5c691b82d790c6b6867db982e4589cbc7887', 8800, 'webp', 1024, 640, 'session', 'gpt-image-2', 'Add an owl instead', '{"size": "1024x640", "quality": "low", "background": "auto", "output_format": "webp", "output_compression": 1, "moderation": "auto", "n": 1}', '{"size": "1024x640", "quality": "low", "n": 1, "format": "webp", "background": "opaque"}', 645, 640, 107, 8355000, '[{"source": "/home/person/Pictures/gpt-image-2/foxes/session-20261128-035113-0d011a.webp", "sha256": "c70d8a518834f461d3fe1e33e345fedf630b6083bbfd7cfad72999afc5a39050", "path": "/home/person/Pictures/gpt-image-2/foxes/session-20261128-035113-0d011a.webp", "id": "session-20261128-035113-0d011a"}]', 1795837873819504, 'mcp 0.1.0', 'foxes', 'session-480c7fe1fb5d69b051a3895e', 3, 1, 0, 1, 'job-cbf091c7daab', 'req_41731dbf8772fe568cb151c5e3aaaa8b', 0);
INSERT INTO pictures VALUES (1795837873943831, 'session-20261128-035113-80e46b', '/home/person/Pictures/gpt-image-2/foxes/session-20261128-035113-80e46b.webp', '40fb7441d473a00be7459587a6f333bc00ad389152d623768b360ca09c52a9d1', 8346, 'webp', 1024, 640, 'session', 'gpt-image-2', 'Make it a woodcut', '{"size": "1024x640", "quality": "low", "background": "auto", "output_format": "webp", "output_compression": 1, "moderation": "auto", "n": 1}', '{"size": "1024x640", "quality": "low", "n": 1, "format": "webp", "background": "opaque"}', 645, 640, 107, 8355000, '[{"source": "photo.png", "sha256": "4ccd69458184f1ec4df6c6ae02e94cf4e26b0a417dd4c4b922b9e5588bdd3a8d", "path": "/home/person/foxes/photo.png"}]', 1795837873943831, 'mcp 0.1.0', 'foxes', 'session-3a3088a50f397dad9995d85f', 1, 0, 0, 0, 'job-b1634aa45c6f', 'req_aba0ba7085c2a4fb31b7da2ffdee89dd', 0);
INSERT INTO sessions VALUES ('session-480c7fe1fb5d69b051a3895e', 1795837873628662, 1795837873818250, '/home/person/Pictures/gpt-image-2/foxes', 3, 1);
INSERT INTO sessions VALUES ('session-3a3088a50f397dad9995d85f', 1795837873942939, 1795837873942939, '/home/person/Pictures/gpt-image-2/foxes', 1, 0);
INSERT INTO jobs VALUES ('job-18ed5e4dab2e', '2968813b891a2da7d4c68e1dbc4e96461943862fc7a1d66a4007ef1004dc1174', 'generate_image', '{"size": "1024x640", "quality": "low", "output_format": "webp", "output_compression": 1, "n": 2, "prompt": "A red fox in the snow, Z\u00fcrich"}', '/home/person/Pictures/gpt-image-2/foxes', 'image-20261128-035112-ecc73c', 'dee901d43c584c1a80ab9763edbe9577', 'done', 1795837872707652, 1795837873422422, 0, 1, '{"report": {"kind": "image", "model": "gpt-image-2", "prompt": "A red fox in the snow, Z\u00fcrich", "requested": {"size": "1024x640", "quality": "low", "n": 2, "format": "webp", "background": "auto"}, "applied": {"size": "1024x640", "quality": "low", "n": 2, "format": "webp", "background": "opaque"}, "images": [{"path": "/home/person/Pictures/gpt-image-2/foxes/image-20261128-035112-ecc73c-1.webp", "facts": {"format": "webp", "width": 1024, "height": 640, "alpha": false}, "size_bytes": 9706, "sha256": "9724ff8cf569e6836845386dce2ff0d8c3655fda7be590a55c2a91a72ce580c2"}, {"path": "/home/person/Pictures/gpt-image-2/foxes/image-20261128-035112-ecc73c-2.webp", "facts": {"format": "webp", "width": 1024, "height": 640, "alpha": false}, "size_bytes": 11224, "sha256": "4ee278b7612fd204ff09b574db0d42ce1dcf19dab8859c3dd42e861a63739666"}], "usage": {"input_tokens": 14, "text_tokens": 14, "image_tokens": 0, "output_tokens": 214, "output_text_tokens": 0, "cached_text_tokens": 0, "cached_image_tokens": 0}, "cost": "0.00649", "request_id": "req_f7c393dc62154f8281f03ed4dc8f84c3", "warnings": [], "place": null, "tree": "", "sandbox": false, "previews": {}}}');
INSERT INTO jobs VALUES ('job-8624abe35c1d', '691d792c8604557fdefb98beb568e2a5ee15951d3e0ecf976b7bfd5c70c90048', 'edit_image', '{"size": "1024x640", "quality": "low", "output_format": "webp", "output_compression": 1, "images": ["photo.png"], "prompt": "The fox at night"}', '/home/person/Pictures/gpt-image-2/foxes', 'edit-20261128-035113-1b20b4', 'dee901d43c584c1a80ab9763edbe9577', 'done', 1795837873449221, 1795837873558942, 0, 1, '{"report": {"kind": "edit", "model": "gpt-image-2", "prompt": "The fox at night", "requested": {"size": "1024x640", "quality": "low", "n": 1, "format": "webp", "background": "auto"}, "applied": {"size": "1024x640", "quality": "low", "n": 1, "format": "webp", "background": "opaque"}, "images": [{"path": "/home/person/Pictures/gpt-image-2/foxes/edit-20261128-035113-1b20b4.webp", "facts": {"format": "webp", "width": 1024, "height": 640, "alpha": false}, "size_bytes": 7406, "sha256": "78276124cea753934cca0a2a39b66ba1c274de6a43f57464fafeffd1b4f8234f"}], "usage": {"input_tokens": 644, "text_tokens": 4, "image_tokens": 640, "output_tokens": 107, "output_text_tokens": 0, "cached_text_tokens": 0, "cached_image_tokens": 0}, "cost": "0.00835", "request_id": "req_2fed440b52a7422034a3667ea715e890", "warnings": [], "place": null, "tree": "", "sandbox": false, "previews": {}}}');
INSERT INTO jobs VALUES ('job-700eaf32aaa7', '57bb96b607c77f90e28a29c2e04ab87b2805ce36143885e3bb52fc0c8bc190b9', 'start_edit_session', '{"size": "1024x640", "quality": "low", "output_format": "webp", "output_compression": 1, "images": ["photo.png"], "prompt": "Make it a watercolour"}', '/home/person/Pictures/gpt-image-2/foxes', 'session-20261128-035113-0d011a', 'dee901d43c584c1a80ab9763edbe9577', 'done', 1795837873564167, 1795837873628662, 0, 1, '{"report": {"kind": "session", "model": "gpt-image-2", "prompt": "Make it a watercolour", "requested": {"size": "1024x640", "quality": "low", "n": 1, "format": "webp", "background": "auto"}, "applied": {"size": "1024x640", "quality": "low", "n": 1, "format": "webp", "background": "opaque"}, "images": [{"path": "/home/person/Pictures/gpt-image-2/foxes/session-20261128-035113-0d011a.webp", "facts": {"format": "webp", "width": 1024, "height": 640, "alpha": false}, "size_bytes": 7890, "sha256": "c70d8a518834f461d3fe1e33e345fedf630b6083bbfd7cfad72999afc5a39050"}], "usage": {"input_tokens": 646, "text_tokens": 6, "image_tokens": 640, "output_tokens": 107, "output_text_tokens": 0, "cached_text_tokens": 0, "cached_image_tokens": 0}, "cost": "0.00836", "request_id": "req_e976b8aad46c29d1fe9c358d15c687dd", "warnings": [], "place": {"session_id": "session-480c7fe1fb5d69b051a3895e", "turn": 1, "parent": 0, "late": false, "asked": false}, "tree": "0 originals: photo.png\n1 \"Make it a watercolour\"  <- the next turn is made from here", "sandbox": false, "previews": {}}}');
INSERT INTO jobs VALUES ('job-06f11c34d865', '94a11eea28011c49b41b01eba863b1673e8ad0be068553b93551bb8fc088430a', 'continue_edit_session', '{"size": "1024x640", "quality": "low", "output_format": "webp", "output_compression": 1, "session_id": "session-480c7fe1fb5d69b051a3895e", "prompt": "Add a lantern"}', '/home/person/Pictures/gpt-image-2/foxes', 'session-20261128-035113-87d06f', 'dee901d43c584c1a80ab9763edbe9577', 'done', 1795837873639578, 1795837873726691, 0, 1, '{"report": {"kind": "session", "model": "gpt-image-2", "prompt": "Add a lantern", "requested": {"size": "1024x640", "quality": "low", "n": 1, "format": "webp", "background": "auto"}, "applied": {"size": "1024x640", "quality": "low", "n": 1, "format": "webp", "background": "opaque"}, "images": [{"path": "/home/person/Pictures/gpt-image-2/foxes/session-20261128-035113-87d06f.webp", "facts": {"format": "webp", "width": 1024, "height": 640, "alpha": false}, "size_bytes": 9108, "sha256": "a47eb08c11856b403e139f2f63aa2c1c0ab74695683e90602b4e9dbb6b1b1ca2"}], "usage": {"input_tokens": 644, "text_tokens": 4, "image_tokens": 640, "output_tokens": 107, "output_text_tokens": 0, "cached_text_tokens": 0, "cached_image_tokens": 0}, "cost": "0.00835", "request_id": "req_98884d8ccb59e4ca66407dc7c02d4590", "warnings": [], "place": {"session_id": "session-480c7fe1fb5d69b051a3895e", "turn": 2, "parent": 1, "late": false, "asked": false}, "tree": "0 originals: photo.png\n1 \"Make it a watercolour\"\n2 \"Add a lantern\"  <- the next turn is made from here", "sandbox": false, "previews": {}}}');
INSERT INTO jobs VALUES ('job-cbf091c7daab', 'e51fc23a02bedc373e3f1b91ef5d875afaea8fb739a30c7ba5be1ce851ad4b1e', 'continue_edit_session', '{"size": "1024x640", "quality": "low", "output_format": "webp", "output_compression": 1, "session_id": "session-480c7fe1fb5d69b051a3895e", "prompt": "Add an owl instead", "from_turn": 1}', '/home/person/Pictures/gpt-image-2/foxes', 'session-20261128-035113-1b4862', 'dee901d43c584c1a80ab9763edbe9577', 'done', 1795837873741382, 1795837873818250, 0, 1, '{"report": {"kind": "session", "model": "gpt-image-2", "prompt": "Add an owl instead", "requested": {"size": "1024x640", "quality": "low", "n": 1, "format": "webp", "background": "auto"}, "applied": {"size": "1024x640", "quality": "low", "n": 1, "format": "webp", "background": "opaque"}, "images": [{"path": "/home/person/Pictures/gpt-image-2/foxes/session-20261128-035113-1b4862.webp", "facts": {"format": "webp", "width": 1024, "height": 640, "alpha": false}, "size_bytes": 8800, "sha256": "9771e316aae801d482a4a91a9b3f5c691b82d790c6b6867db982e4589cbc7887"}], "usage": {"input_tokens": 645, "text_tokens": 5, "image_tokens": 640, "output_tokens": 107, "output_text_tokens": 0, "cached_text_tokens": 0, "cached_image_tokens": 0}, "cost": "0.008355", "request_id": "req_41731dbf8772fe568cb151c5e3aaaa8b", "warnings": [], "place": {"session_id": "session-480c7fe1fb5d69b051a3895e", "turn": 3, "parent": 1, "late": false, "asked": true}, "tree": "0 originals: photo.png\n1 \"Make it a watercolour\"\n\u251c 2 \"Add a lantern\"\n\u2514 3 \"Add an owl instead\"  <- the next turn is made from here", "sandbox": false, "previews": {}}}');
INSERT INTO jobs VALUES ('job-b1634aa45c6f', 'cb39a4d1b359d445c5530851a2dc843c64038478bc62408cd18545b5255dc325', 'start_edit_session', '{"size": "1024x640", "quality": "low", "output_format": "webp", "output_compression": 1, "images": ["photo.png"], "prompt": "Make it a woodcut"}', '/home/person/Pictures/gpt-image-2/foxes', 'session-20261128-035113-80e46b', 'dee901d43c584c1a80ab9763edbe9577', 'done', 1795837873848061, 1795837873942939, 0, 1, '{"report": {"kind": "session", "model": "gpt-image-2", "prompt": "Make it a woodcut", "requested": {"size": "1024x640", "quality": "low", "n": 1, "format": "webp", "background": "auto"}, "applied": {"size": "1024x640", "quality": "low", "n": 1, "format": "webp", "background": "opaque"}, "images": [{"path": "/home/person/Pictures/gpt-image-2/foxes/session-20261128-035113-80e46b.webp", "facts": {"format": "webp", "width": 1024, "height": 640, "alpha": false}, "size_bytes": 8346, "sha256": "40fb7441d473a00be7459587a6f333bc00ad389152d623768b360ca09c52a9d1"}], "usage": {"input_tokens": 645, "text_tokens": 5, "image_tokens": 640, "output_tokens": 107, "output_text_tokens": 0, "cached_text_tokens": 0, "cached_image_tokens": 0}, "cost": "0.008355", "request_id": "req_aba0ba7085c2a4fb31b7da2ffdee89dd", "warnings": [], "place": {"session_id": "session-3a3088a50f397dad9995d85f", "turn": 1, "parent": 0, "late": false, "asked": false}, "tree": "0 originals: photo.png\n1 \"Make it a woodcut\"  <- the next turn is made from here", "sandbox": false, "previews": {}}}');
INSERT INTO jobs VALUES ('job-3fd2d35f5b36', '194375b17e93ce6c0457492c9752f3ab4c323af22c27cda2c679edb30f9ac026', 'generate_image', '{"size": "1024x640", "quality": "low", "output_format": "webp", "output_compression": 1, "prompt": "moderation-blocked"}', '/home/person/Pictures/gpt-image-2/foxes', 'image-20261128-035113-5e1dd8', 'dee901d43c584c1a80ab9763edbe9577', 'failed', 1795837873956083, 1795837873969528, 0, 1, '{"error": "OpenAI''s moderation refused this for violence. Asking again with the same words will not help: change the prompt or the picture (request id req_bd95609f37d959647715512b4c473180)."}');
INSERT INTO jobs VALUES ('job-4db86fa2c804', '510180104333ca042d3b51f50f95ac90ff565a0fe07e9c50270b7ab4d807f84a', 'generate_image', '{"size": "1024x640", "quality": "low", "output_format": "webp", "output_compression": 1, "prompt": "A fox whose answer is lost"}', '/home/person/Pictures/gpt-image-2/foxes', 'image-20261128-035113-64b9c9', 'dee901d43c584c1a80ab9763edbe9577', 'failed', 1795837873979143, 1795837874036528, 0, 1, '{"error": "http://127.0.0.1:56351 dropped the connection before the answer was complete. The picture may have been made and billed without reaching us, so it was not asked for again: look at https://platform.openai.com/usage, then decide whether to ask once more."}');
INSERT INTO schema_version VALUES (2);
INSERT INTO picture_words (picture_words) VALUES ('rebuild');
