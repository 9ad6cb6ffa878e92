# They are part of the load generator.
target_sources(${name} PRIVATE
	${PROJECT_SOURCE_DIR}/tests/bench/crypto.c
	${PROJECT_SOURCE_DIR}/tests/bench/hello.c
	${PROJECT_SOURCE_DIR}/tests/bench/hello_parse.c
	${PROJECT_SOURCE_DIR}/tests/bench/record.c)
