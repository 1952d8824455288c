SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.charges (
    id bigint NOT NULL,
    day character varying(10) NOT NULL,
    reserved_at bigint NOT NULL,
    owner character varying(40) NOT NULL,
    state character varying(8) NOT NULL,
    job character varying,
    request_id character varying,
    model character varying NOT NULL,
    size character varying NOT NULL,
    quality character varying NOT NULL,
    pictures integer NOT NULL,
    estimate_nano_usd bigint,
    nano_usd bigint,
    input_text_tokens bigint,
    input_image_tokens bigint,
    output_tokens bigint,
    CONSTRAINT charges_state CHECK (((state)::text = ANY ((ARRAY['reserved'::character varying, 'sent'::character varying, 'settled'::character varying, 'unknown'::character varying, 'released'::character varying])::text[])))
);
CREATE SEQUENCE public.charges_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.charges_id_seq OWNED BY public.charges.id;
CREATE TABLE public.jobs (
    id character varying(40) NOT NULL,
    key character varying(64) NOT NULL,
    tool character varying NOT NULL,
    request json NOT NULL,
    folder character varying NOT NULL,
    stem character varying NOT NULL,
    owner character varying(40) NOT NULL,
    state character varying(8) NOT NULL,
    created_us bigint NOT NULL,
    ended_us bigint,
    given_up boolean NOT NULL,
    fetched boolean NOT NULL,
    outcome json,
    CONSTRAINT jobs_state CHECK (((state)::text = ANY ((ARRAY['queued'::character varying, 'sent'::character varying, 'done'::character varying, 'failed'::character varying, 'lost'::character varying])::text[])))
);
CREATE TABLE public.picture_words (
    number bigint NOT NULL,
    words tsvector NOT NULL
);
CREATE TABLE public.pictures (
    number bigint NOT NULL,
    id character varying(140) NOT NULL,
    path character varying NOT NULL,
    sha256 character varying(64) NOT NULL,
    size_bytes bigint NOT NULL,
    format character varying(8) NOT NULL,
    width integer NOT NULL,
    height integer NOT NULL,
    kind character varying(8) NOT NULL,
    model character varying NOT NULL,
    prompt character varying NOT NULL,
    parameters json NOT NULL,
    applied json NOT NULL,
    input_tokens bigint,
    image_tokens bigint,
    output_tokens bigint,
    nano_usd bigint,
    parents json NOT NULL,
    made_us bigint NOT NULL,
    client character varying,
    project character varying,
    session_id character varying(40),
    turn integer,
    parent_turn integer,
    late boolean NOT NULL,
    asked boolean NOT NULL,
    job_id character varying,
    request_id character varying,
    sandbox boolean NOT NULL
);
CREATE TABLE public.schema_version (
    version integer NOT NULL
);
CREATE TABLE public.sessions (
    id character varying(40) NOT NULL,
    created_us bigint NOT NULL,
    updated_us bigint NOT NULL,
    folder character varying NOT NULL,
    head integer NOT NULL,
    active boolean NOT NULL
);
ALTER TABLE ONLY public.charges ALTER COLUMN id SET DEFAULT nextval('public.charges_id_seq'::regclass);
INSERT INTO public.charges VALUES (1, '2026-11-28', 1795837881, '554316eeef554cccb2afee56b7eb3a77', 'settled', 'job-b4b0e8602103', 'req_e43f23d22e3e99377cfc5f341e88a73b', 'gpt-image-2', '1024x640', 'low', 2, 6560000, 6490000, 14, 0, 214);
INSERT INTO public.charges VALUES (2, '2026-11-28', 1795837882, '554316eeef554cccb2afee56b7eb3a77', 'settled', 'job-1b6556bb94cf', 'req_0b1023e3d03694aa06df5c14e59281f3', 'gpt-image-2', '1024x640', 'low', 1, 8350000, 8350000, 4, 640, 107);
INSERT INTO public.charges VALUES (3, '2026-11-28', 1795837882, '554316eeef554cccb2afee56b7eb3a77', 'settled', 'job-6401fe233f47', 'req_42e5d937843b8cf6c75430a7e8ad5b4e', 'gpt-image-2', '1024x640', 'low', 1, 8360000, 8360000, 6, 640, 107);
INSERT INTO public.charges VALUES (4, '2026-11-28', 1795837882, '554316eeef554cccb2afee56b7eb3a77', 'settled', 'job-ac1c40d43e94', 'req_1c9e1a329f32234f75877cb5c9a04f99', 'gpt-image-2', '1024x640', 'low', 1, 8350000, 8350000, 4, 640, 107);
INSERT INTO public.charges VALUES (5, '2026-11-28', 1795837882, '554316eeef554cccb2afee56b7eb3a77', 'settled', 'job-b510316d81c1', 'req_1179be5c4c33c7ed3d64ccb05042c609', 'gpt-image-2', '1024x640', 'low', 1, 8355000, 8355000, 5, 640, 107);
INSERT INTO public.charges VALUES (6, '2026-11-28', 1795837882, '554316eeef554cccb2afee56b7eb3a77', 'settled', 'job-db82fa492517', 'req_2f2aa19f6d5adf97be825563f56b2353', 'gpt-image-2', '1024x640', 'low', 1, 8355000, 8355000, 5, 640, 107);
INSERT INTO public.charges VALUES (7, '2026-11-28', 1795837882, '554316eeef554cccb2afee56b7eb3a77', 'released', 'job-b0dea5f6e038', NULL, 'gpt-image-2', '1024x640', 'low', 1, 3265000, NULL, NULL, NULL, NULL);
INSERT INTO public.charges VALUES (8, '2026-11-28', 1795837882, '554316eeef554cccb2afee56b7eb3a77', 'unknown', 'job-800558d7e3e7', NULL, 'gpt-image-2', '1024x640', 'low', 1, 3275000, NULL, NULL, NULL, NULL);
INSERT INTO public.jobs VALUES ('job-b4b0e8602103', '2968813b891a2da7d4c68e1dbc4e96461943862fc7a1d66a4007ef1004dc1174', 'generate_image', '{"size": "1024x640", "quality": "low", "output_format": "webp", "output_compression": 1, "n": 2, "prompt": "A red fox in the snow, Z\u00fcrich"}', '/home/person/Pictures/gpt-image-2/foxes', 'image-20261128-035121-e59429', '554316eeef554cccb2afee56b7eb3a77', 'done', 1795837881218889, 1795837882027142, false, true, '{"report": {"kind": "image", "model": "gpt-image-2", "prompt": "A red fox in the snow, Z\u00fcrich", "requested": {"size": "1024x640", "quality": "low", "n": 2, "format": "webp", "background": "auto"}, "applied": {"size": "1024x640", "quality": "low", "n": 2, "format": "webp", "background": "opaque"}, "images": [{"path": "/home/person/Pictures/gpt-image-2/foxes/image-20261128-035121-e59429-1.webp", "facts": {"format": "webp", "width": 1024, "height": 640, "alpha": false}, "size_bytes": 9706, "sha256": "9724ff8cf569e6836845386dce2ff0d8c3655fda7be590a55c2a91a72ce580c2"}, {"path": "/home/person/Pictures/gpt-image-2/foxes/image-20261128-035121-e59429-2.webp", "facts": {"format": "webp", "width": 1024, "height": 640, "alpha": false}, "size_bytes": 11224, "sha256": "4ee278b7612fd204ff09b574db0d42ce1dcf19dab8859c3dd42e861a63739666"}], "usage": {"input_tokens": 14, "text_tokens": 14, "image_tokens": 0, "output_tokens": 214, "output_text_tokens": 0, "cached_text_tokens": 0, "cached_image_tokens": 0}, "cost": "0.00649", "request_id": "req_e43f23d22e3e99377cfc5f341e88a73b", "warnings": [], "place": null, "tree": "", "sandbox": false, "previews": {}}}');
INSERT INTO public.jobs VALUES ('job-1b6556bb94cf', '691d792c8604557fdefb98beb568e2a5ee15951d3e0ecf976b7bfd5c70c90048', 'edit_image', '{"size": "1024x640", "quality": "low", "output_format": "webp", "output_compression": 1, "images": ["photo.png"], "prompt": "The fox at night"}', '/home/person/Pictures/gpt-image-2/foxes', 'edit-20261128-035122-591f99', '554316eeef554cccb2afee56b7eb3a77', 'done', 1795837882041027, 1795837882111307, false, true, '{"report": {"kind": "edit", "model": "gpt-image-2", "prompt": "The fox at night", "requested": {"size": "1024x640", "quality": "low", "n": 1, "format": "webp", "background": "auto"}, "applied": {"size": "1024x640", "quality": "low", "n": 1, "format": "webp", "background": "opaque"}, "images": [{"path": "/home/person/Pictures/gpt-image-2/foxes/edit-20261128-035122-591f99.webp", "facts": {"format": "webp", "width": 1024, "height": 640, "alpha": false}, "size_bytes": 7406, "sha256": "78276124cea753934cca0a2a39b66ba1c274de6a43f57464fafeffd1b4f8234f"}], "usage": {"input_tokens": 644, "text_tokens": 4, "image_tokens": 640, "output_tokens": 107, "output_text_tokens": 0, "cached_text_tokens": 0, "cached_image_tokens": 0}, "cost": "0.00835", "request_id": "req_0b1023e3d03694aa06df5c14e59281f3", "warnings": [], "place": null, "tree": "", "sandbox": false, "previews": {}}}');
INSERT INTO public.jobs VALUES ('job-6401fe233f47', '57bb96b607c77f90e28a29c2e04ab87b2805ce36143885e3bb52fc0c8bc190b9', 'start_edit_session', '{"size": "1024x640", "quality": "low", "output_format": "webp", "output_compression": 1, "images": ["photo.png"], "prompt": "Make it a watercolour"}', '/home/person/Pictures/gpt-image-2/foxes', 'session-20261128-035122-07af16', '554316eeef554cccb2afee56b7eb3a77', 'done', 1795837882113334, 1795837882163507, false, true, '{"report": {"kind": "session", "model": "gpt-image-2", "prompt": "Make it a watercolour", "requested": {"size": "1024x640", "quality": "low", "n": 1, "format": "webp", "background": "auto"}, "applied": {"size": "1024x640", "quality": "low", "n": 1, "format": "webp", "background": "opaque"}, "images": [{"path": "/home/person/Pictures/gpt-image-2/foxes/session-20261128-035122-07af16.webp", "facts": {"format": "webp", "width": 1024, "height": 640, "alpha": false}, "size_bytes": 7890, "sha256": "c70d8a518834f461d3fe1e33e345fedf630b6083bbfd7cfad72999afc5a39050"}], "usage": {"input_tokens": 646, "text_tokens": 6, "image_tokens": 640, "output_tokens": 107, "output_text_tokens": 0, "cached_text_tokens": 0, "cached_image_tokens": 0}, "cost": "0.00836", "request_id": "req_42e5d937843b8cf6c75430a7e8ad5b4e", "warnings": [], "place": {"session_id": "session-52c838c2aa07232ff4267799", "turn": 1, "parent": 0, "late": false, "asked": false}, "tree": "0 originals: photo.png\n1 \"Make it a watercolour\"  <- the next turn is made from here", "sandbox": false, "previews": {}}}');
INSERT INTO public.jobs VALUES ('job-ac1c40d43e94', 'eabcbdaf59e04f7f5bafd69825fbb54d26387b3404c9f839972ee63da3e20f36', 'continue_edit_session', '{"size": "1024x640", "quality": "low", "output_format": "webp", "output_compression": 1, "session_id": "session-52c838c2aa07232ff4267799", "prompt": "Add a lantern"}', '/home/person/Pictures/gpt-image-2/foxes', 'session-20261128-035122-90bd41', '554316eeef554cccb2afee56b7eb3a77', 'done', 1795837882183119, 1795837882284110, false, true, '{"report": {"kind": "session", "model": "gpt-image-2", "prompt": "Add a lantern", "requested": {"size": "1024x640", "quality": "low", "n": 1, "format": "webp", "background": "auto"}, "applied": {"size": "1024x640", "quality": "low", "n": 1, "format": "webp", "background": "opaque"}, "images": [{"path": "/home/person/Pictures/gpt-image-2/foxes/session-20261128-035122-90bd41.webp", "facts": {"format": "webp", "width": 1024, "height": 640, "alpha": false}, "size_bytes": 9108, "sha256": "a47eb08c11856b403e139f2f63aa2c1c0ab74695683e90602b4e9dbb6b1b1ca2"}], "usage": {"input_tokens": 644, "text_tokens": 4, "image_tokens": 640, "output_tokens": 107, "output_text_tokens": 0, "cached_text_tokens": 0, "cached_image_tokens": 0}, "cost": "0.00835", "request_id": "req_1c9e1a329f32234f75877cb5c9a04f99", "warnings": [], "place": {"session_id": "session-52c838c2aa07232ff4267799", "turn": 2, "parent": 1, "late": false, "asked": false}, "tree": "0 originals: photo.png\n1 \"Make it a watercolour\"\n2 \"Add a lantern\"  <- the next turn is made from here", "sandbox": false, "previews": {}}}');
INSERT INTO public.jobs VALUES ('job-b510316d81c1', 'a9b07fc2e3a6f1397ba37ae37c8974f66118a73739f390d37e3f5f3d65023416', 'continue_edit_session', '{"size": "1024x640", "quality": "low", "output_format": "webp", "output_compression": 1, "session_id": "session-52c838c2aa07232ff4267799", "prompt": "Add an owl instead", "from_turn": 1}', '/home/person/Pictures/gpt-image-2/foxes', 'session-20261128-035122-891962', '554316eeef554cccb2afee56b7eb3a77', 'done', 1795837882313747, 1795837882413538, false, true, '{"report": {"kind": "session", "model": "gpt-image-2", "prompt": "Add an owl instead", "requested": {"size": "1024x640", "quality": "low", "n": 1, "format": "webp", "background": "auto"}, "applied": {"size": "1024x640", "quality": "low", "n": 1, "format": "webp", "background": "opaque"}, "images": [{"path": "/home/person/Pictures/gpt-image-2/foxes/session-20261128-035122-891962.webp", "facts": {"format": "webp", "width": 1024, "height": 640, "alpha": false}, "size_bytes": 8800, "sha256": "9771e316aae801d482a4a91a9b3f5c691b82d790c6b6867db982e4589cbc7887"}], "usage": {"input_tokens": 645, "text_tokens": 5, "image_tokens": 640, "output_tokens": 107, "output_text_tokens": 0, "cached_text_tokens": 0, "cached_image_tokens": 0}, "cost": "0.008355", "request_id": "req_1179be5c4c33c7ed3d64ccb05042c609", "warnings": [], "place": {"session_id": "session-52c838c2aa07232ff4267799", "turn": 3, "parent": 1, "late": false, "asked": true}, "tree": "0 originals: photo.png\n1 \"Make it a watercolour\"\n\u251c 2 \"Add a lantern\"\n\u2514 3 \"Add an owl instead\"  <- the next turn is made from here", "sandbox": false, "previews": {}}}');
INSERT INTO public.jobs VALUES ('job-db82fa492517', 'cb39a4d1b359d445c5530851a2dc843c64038478bc62408cd18545b5255dc325', 'start_edit_session', '{"size": "1024x640", "quality": "low", "output_format": "webp", "output_compression": 1, "images": ["photo.png"], "prompt": "Make it a woodcut"}', '/home/person/Pictures/gpt-image-2/foxes', 'session-20261128-035122-4c0d43', '554316eeef554cccb2afee56b7eb3a77', 'done', 1795837882427127, 1795837882477314, false, true, '{"report": {"kind": "session", "model": "gpt-image-2", "prompt": "Make it a woodcut", "requested": {"size": "1024x640", "quality": "low", "n": 1, "format": "webp", "background": "auto"}, "applied": {"size": "1024x640", "quality": "low", "n": 1, "format": "webp", "background": "opaque"}, "images": [{"path": "/home/person/Pictures/gpt-image-2/foxes/session-20261128-035122-4c0d43.webp", "facts": {"format": "webp", "width": 1024, "height": 640, "alpha": false}, "size_bytes": 8346, "sha256": "40fb7441d473a00be7459587a6f333bc00ad389152d623768b360ca09c52a9d1"}], "usage": {"input_tokens": 645, "text_tokens": 5, "image_tokens": 640, "output_tokens": 107, "output_text_tokens": 0, "cached_text_tokens": 0, "cached_image_tokens": 0}, "cost": "0.008355", "request_id": "req_2f2aa19f6d5adf97be825563f56b2353", "warnings": [], "place": {"session_id": "session-e4d7caa65ae3043a004c1e83", "turn": 1, "parent": 0, "late": false, "asked": false}, "tree": "0 originals: photo.png\n1 \"Make it a woodcut\"  <- the next turn is made from here", "sandbox": false, "previews": {}}}');
INSERT INTO public.jobs VALUES ('job-b0dea5f6e038', '194375b17e93ce6c0457492c9752f3ab4c323af22c27cda2c679edb30f9ac026', 'generate_image', '{"size": "1024x640", "quality": "low", "output_format": "webp", "output_compression": 1, "prompt": "moderation-blocked"}', '/home/person/Pictures/gpt-image-2/foxes', 'image-20261128-035122-724b1b', '554316eeef554cccb2afee56b7eb3a77', 'failed', 1795837882492526, 1795837882504813, false, true, '{"error": "OpenAI''s moderation refused this for violence. Asking again with the same words will not help: change the prompt or the picture (request id req_cee307678beed9cd97d9055b7d874293)."}');
INSERT INTO public.jobs VALUES ('job-800558d7e3e7', '510180104333ca042d3b51f50f95ac90ff565a0fe07e9c50270b7ab4d807f84a', 'generate_image', '{"size": "1024x640", "quality": "low", "output_format": "webp", "output_compression": 1, "prompt": "A fox whose answer is lost"}', '/home/person/Pictures/gpt-image-2/foxes', 'image-20261128-035122-f18ca5', '554316eeef554cccb2afee56b7eb3a77', 'failed', 1795837882507084, 1795837882562251, false, true, '{"error": "http://127.0.0.1:58343 dropped the connection before the answer was complete. The picture may have been made and billed without reaching us, so it was not asked for again: look at https://platform.openai.com/usage, then decide whether to ask once more."}');
INSERT INTO public.picture_words VALUES (1795837882027166, '''a'' ''fox'' ''in'' ''red'' ''snow'' ''the'' ''zurich''');
INSERT INTO public.picture_words VALUES (1795837882027167, '''a'' ''fox'' ''in'' ''red'' ''snow'' ''the'' ''zurich''');
INSERT INTO public.picture_words VALUES (1795837882111323, '''at'' ''fox'' ''night'' ''the''');
INSERT INTO public.picture_words VALUES (1795837882169164, '''a'' ''it'' ''make'' ''watercolour''');
INSERT INTO public.picture_words VALUES (1795837882294299, '''a'' ''add'' ''lantern''');
INSERT INTO public.picture_words VALUES (1795837882416419, '''add'' ''an'' ''instead'' ''owl''');
INSERT INTO public.picture_words VALUES (1795837882478921, '''a'' ''it'' ''make'' ''woodcut''');
INSERT INTO public.pictures VALUES (1795837882027166, 'image-20261128-035121-e59429-1', '/home/person/Pictures/gpt-image-2/foxes/image-20261128-035121-e59429-1.webp', '9724ff8cf569e6836845386dce2ff0d8c3655fda7be590a55c2a91a72ce580c2', 9706, 'webp', 1024, 640, 'image', 'gpt-image-2', 'A red fox in the snow, Zürich', '{"size": "1024x640", "quality": "low", "background": "auto", "output_format": "webp", "output_compression": 1, "moderation": "auto", "n": 2}', '{"size": "1024x640", "quality": "low", "n": 2, "format": "webp", "background": "opaque"}', 7, 0, 107, 3245000, '[]', 1795837882027166, 'mcp 0.1.0', 'foxes', NULL, NULL, NULL, false, false, 'job-b4b0e8602103', 'req_e43f23d22e3e99377cfc5f341e88a73b', false);
INSERT INTO public.pictures VALUES (1795837882027167, 'image-20261128-035121-e59429-2', '/home/person/Pictures/gpt-image-2/foxes/image-20261128-035121-e59429-2.webp', '4ee278b7612fd204ff09b574db0d42ce1dcf19dab8859c3dd42e861a63739666', 11224, 'webp', 1024, 640, 'image', 'gpt-image-2', 'A red fox in the snow, Zürich', '{"size": "1024x640", "quality": "low", "background": "auto", "output_format": "webp", "output_compression": 1, "moderation": "auto", "n": 2}', '{"size": "1024x640", "quality": "low", "n": 2, "format": "webp", "background": "opaque"}', 7, 0, 107, 3245000, '[]', 1795837882027166, 'mcp 0.1.0', 'foxes', NULL, NULL, NULL, false, false, 'job-b4b0e8602103', 'req_e43f23d22e3e99377cfc5f341e88a73b', false);
INSERT INTO public.pictures VALUES (1795837882111323, 'edit-20261128-035122-591f99', '/home/person/Pictures/gpt-image-2/foxes/edit-20261128-035122-591f99.webp', '78276124cea753934cca0a2a39b66ba1c274de6a43f57464fafeffd1b4f8234f', 7406, 'webp', 1024, 640, 'edit', 'gpt-image-2', 'The fox at night', '{"size": "1024x640", "quality": "low", "background": "auto", "output_format": "webp", "output_compression": 1, "moderation": "auto", "n": 1}', '{"size": "1024x640", "quality": "low", "n": 1, "format": "webp", "background": "opaque"}', 644, 640, 107, 8350000, '[{"source": "photo.png", "sha256": "4ccd69458184f1ec4df6c6ae02e94cf4e26b0a417dd4c4b922b9e5588bdd3a8d", "path": "/home/person/foxes/photo.png"}]', 1795837882111323, 'mcp 0.1.0', 'foxes', NULL, NULL, NULL, false, false, 'job-1b6556bb94cf', 'req_0b1023e3d03694aa06df5c14e59281f3', false);
INSERT INTO public.pictures VALUES (1795837882169164, 'session-20261128-035122-07af16', '/home/person/Pictures/gpt-image-2/foxes/session-20261128-035122-07af16.webp', 'c70d8a518834f461d3fe1e33e345fedf630b6083bbfd7cfad72999afc5a39050', 7890, 'webp', 1024, 640, 'session', 'gpt-image-2', 'Make it a watercolour', '{"size": "1024x640", "quality": "low", "background": "auto", "output_format": "webp", "output_compression": 1, "moderation": "auto", "n": 1}', '{"size": "1024x640", "quality": "low", "n": 1, "format": "webp", "background": "opaque"}', 646, 640, 107, 8360000, '[{"source": "photo.png", "sha256": "4ccd69458184f1ec4df6c6ae02e94cf4e26b0a417dd4c4b922b9e5588bdd3a8d", "path": "/home/person/foxes/photo.png"}]', 1795837882169164, 'mcp 0.1.0', 'foxes', 'session-52c838c2aa07232ff4267799', 1, 0, false, false, 'job-6401fe233f47', 'req_42e5d937843b8cf6c75430a7e8ad5b4e', false);
INSERT INTO public.pictures VALUES (1795837882294299, 'session-20261128-035122-90bd41', '/home/person/Pictures/gpt-image-2/foxes/session-20261128-035122-90bd41.webp', 'a47eb08c11856b403e139f2f63aa2c1c0ab74695683e90602b4e9dbb6b1b1ca2', 9108, 'webp', 1024, 640, 'session', 'gpt-image-2', 'Add a lantern', '{"size": "1024x640", "quality": "low", "background": "auto", "output_format": "webp", "output_compression": 1, "moderation": "auto", "n": 1}', '{"size": "1024x640", "quality": "low", "n": 1, "format": "webp", "background": "opaque"}', 644, 640, 107, 8350000, '[{"source": "/home/person/Pictures/gpt-image-2/foxes/session-20261128-035122-07af16.webp", "sha256": "c70d8a518834f461d3fe1e33e345fedf630b6083bbfd7cfad72999afc5a39050", "path": "/home/person/Pictures/gpt-image-2/foxes/session-20261128-035122-07af16.webp", "id": "session-20261128-035122-07af16"}]', 1795837882294299, 'mcp 0.1.0', 'foxes', 'session-52c838c2aa07232ff4267799', 2, 1, false, false, 'job-ac1c40d43e94', 'req_1c9e1a329f32234f75877cb5c9a04f99', false);
INSERT INTO public.pictures VALUES (1795837882416419, 'session-20261128-035122-891962', '/home/person/Pictures/gpt-image-2/foxes/session-20261128-035122-891962.webp', '9771e316aae801d482a4a91a9b3f5c691b82d790c6b6867db982e4589cbc7887', 8800, 'webp', 1024, 640, 'session', 'gpt-image-2', 'Add an owl instead', '{"size": "1024x640", "quality": "low", "background": "auto", "output_format": "webp", "output_compression": 1, "moderation": "auto", "n": 1}', '{"size": "1024x640", "quality": "low", "n": 1, "format": "webp", "background": "opaque"}', 645, 640, 107, 8355000, '[{"source": "/home/person/Pictures/gpt-image-2/foxes/session-20261128-035122-07af16.webp", "sha256": "c70d8a518834f461d3fe1e33e345fedf630b6083bbfd7cfad72999afc5a39050", "path": "/home/person/Pictures/gpt-image-2/foxes/session-20261128-035122-07af16.webp", "id": "session-20261128-035122-07af16"}]', 1795837882416419, 'mcp 0.1.0', 'foxes', 'session-52c838c2aa07232ff4267799', 3, 1, false, true, 'job-b510316d81c1', 'req_1179be5c4c33c7ed3d64ccb05042c609', false);
INSERT INTO public.pictures VALUES (1795837882478921, 'session-20261128-035122-4c0d43', '/home/person/Pictures/gpt-image-2/foxes/session-20261128-035122-4c0d43.webp', '40fb7441d473a00be7459587a6f333bc00ad389152d623768b360ca09c52a9d1', 8346, 'webp', 1024, 640, 'session', 'gpt-image-2', 'Make it a woodcut', '{"size": "1024x640", "quality": "low", "background": "auto", "output_format": "webp", "output_compression": 1, "moderation": "auto", "n": 1}', '{"size": "1024x640", "quality": "low", "n": 1, "format": "webp", "background": "opaque"}', 645, 640, 107, 8355000, '[{"source": "photo.png", "sha256": "4ccd69458184f1ec4df6c6ae02e94cf4e26b0a417dd4c4b922b9e5588bdd3a8d", "path": "/home/person/foxes/photo.png"}]', 1795837882478921, 'mcp 0.1.0', 'foxes', 'session-e4d7caa65ae3043a004c1e83', 1, 0, false, false, 'job-db82fa492517', 'req_2f2aa19f6d5adf97be825563f56b2353', false);
INSERT INTO public.schema_version VALUES (2);
INSERT INTO public.sessions VALUES ('session-52c838c2aa07232ff4267799', 1795837882163507, 1795837882413538, '/home/person/Pictures/gpt-image-2/foxes', 3, true);
INSERT INTO public.sessions VALUES ('session-e4d7caa65ae3043a004c1e83', 1795837882477314, 1795837882477314, '/home/person/Pictures/gpt-image-2/foxes', 1, false);
SELECT pg_catalog.setval('public.charges_id_seq', 8, true);
ALTER TABLE ONLY public.charges
    ADD CONSTRAINT charges_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.picture_words
    ADD CONSTRAINT picture_words_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.pictures
    ADD CONSTRAINT pictures_id_key UNIQUE (id);
ALTER TABLE ONLY public.pictures
    ADD CONSTRAINT pictures_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (id);
CREATE INDEX ix_charges_day ON public.charges USING btree (day);
CREATE INDEX ix_jobs_created_us ON public.jobs USING btree (created_us);
CREATE INDEX ix_jobs_key ON public.jobs USING btree (key);
CREATE INDEX ix_pictures_path ON public.pictures USING btree (path);
CREATE INDEX ix_sessions_active ON public.sessions USING btree (active);
CREATE INDEX picture_words_words ON public.picture_words USING gin (words);
CREATE INDEX pictures_project ON public.pictures USING btree (project, number);
CREATE UNIQUE INDEX pictures_turn ON public.pictures USING btree (session_id, turn);
ALTER TABLE ONLY public.picture_words
    ADD CONSTRAINT picture_words_number_fkey FOREIGN KEY (number) REFERENCES public.pictures(number) ON DELETE CASCADE;
