# The numbers of the calls.
target_link_libraries(${name} PRIVATE PkgConfig::SECCOMP)
