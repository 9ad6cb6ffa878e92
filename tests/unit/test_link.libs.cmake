target_link_libraries(${name} PRIVATE wssd_signer)
