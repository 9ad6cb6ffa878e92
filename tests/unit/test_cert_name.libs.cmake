# It is part of a program, not of a library.
target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/worker/tool/names.c)
