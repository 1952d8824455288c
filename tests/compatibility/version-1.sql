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
CREATE TABLE schema_version (
	version INTEGER NOT NULL
);
INSERT INTO charges VALUES (1, '2026-11-28', 1795837869, '1cfb7ef754d9478397b02b65dc995ee1', 'settled', 'job-10ff7259b1aa', 'req_16ed4d0b0b3953953e1311785d9a99f8', 'gpt-image-2', '1024x640', 'low', 2, 6560000, 6490000, 14, 0, 214);
INSERT INTO charges VALUES (2, '2026-11-28', 1795837870, '1cfb7ef754d9478397b02b65dc995ee1', 'settled', 'job-c26b70a0d13c', 'req_dc6247ec0ccd699999a675208bcb2608', 'gpt-image-2', '1024x640', 'low', 1, 8350000, 8350000, 4, 640, 107);
INSERT INTO charges VALUES (3, '2026-11-28', 1795837870, '1cfb7ef754d9478397b02b65dc995ee1', 'settled', 'job-d1397cef891e', 'req_71bc507faaac2f8bab3dec4b640d8784', 'gpt-image-2', '1024x640', 'low', 1, 8360000, 8360000, 6, 640, 107);
INSERT INTO charges VALUES (4, '2026-11-28', 1795837870, '1cfb7ef754d9478397b02b65dc995ee1', 'settled', 'job-325204240b87', 'req_1b4e22e03e3641944f64381db6b93b92', 'gpt-image-2', '1024x640', 'low', 1, 8350000, 8350000, 4, 640, 107);
INSERT INTO charges VALUES (5, '2026-11-28', 1795837870, '1cfb7ef754d9478397b02b65dc995ee1', 'settled', 'job-541fb9a8412a', 'req_4dbada6c846e9cb5935a6772366db087', 'gpt-image-2', '1024x640', 'low', 1, 8355000, 8355000, 5, 640, 107);
INSERT INTO charges VALUES (6, '2026-11-28', 1795837870, '1cfb7ef754d9478397b02b65dc995ee1', 'released', 'job-d326bc4fa596', NULL, 'gpt-image-2', '1024x640', 'low', 1, 3265000, NULL, NULL, NULL, NULL);
INSERT INTO charges VALUES (7, '2026-11-28', 1795837870, '1cfb7ef754d9478397b02b65dc995ee1', 'unknown', 'job-498f407d9d88', NULL, 'gpt-image-2', '1024x640', 'low', 1, 3275000, NULL, NULL, NULL, NULL);
INSERT INTO schema_version VALUES (1);
