# The second opinion on DEFLATE, and the client's compressor.
target_link_libraries(${name} PRIVATE PkgConfig::ZLIB)
