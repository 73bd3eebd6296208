# What `make install` installs: the program, the library it links that no distribution has, the licences, the demo model,
# and the contracts with what they are checked on.
if(TARGET tercet)
  install(TARGETS tercet RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()
if(TERCET_HAVE_WGPU)
  install(PROGRAMS "${wgpu_library}" DESTINATION "${CMAKE_INSTALL_LIBDIR}/tercet")
endif()
install(FILES LICENSE NOTICES DESTINATION "${CMAKE_INSTALL_DOCDIR}")
install(DIRECTORY LICENSES DESTINATION "${CMAKE_INSTALL_DOCDIR}")
install(DIRECTORY models/ DESTINATION "${CMAKE_INSTALL_DATADIR}/tercet" FILES_MATCHING PATTERN "*.gguf")
install(DIRECTORY contracts DESTINATION "${CMAKE_INSTALL_DATADIR}/tercet")
