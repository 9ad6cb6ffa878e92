# The second opinion on UTF-8.
target_link_libraries(${name} PRIVATE unistring)
