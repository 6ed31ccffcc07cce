# What addons have in common: the facts of the LibTorch that ${MFM_LIBTORCH} is about, as torch_…, and
# add_addon, which builds one against it. LibTorch's own CMake package would drag in glog and protobuf.
file(READ "${MFM_LIBTORCH}" found)
foreach(key source version libDir openmp cxxStandard cxx11Abi)
  string(JSON torch_${key} GET "${found}" ${key})
endforeach()
foreach(key includeDirs libraries)
  string(JSON count LENGTH "${found}" ${key})
  math(EXPR last "${count} - 1")
  foreach(index RANGE ${last})
    string(JSON item GET "${found}" ${key} ${index})
    list(APPEND torch_${key} "${item}")
  endforeach()
endforeach()

# add_addon(NAME FOLDER SOURCE…): builds FOLDER/NAME.node. The caller links ${torch_libraries}, after what
# has to come before them.
function(add_addon name folder)
  add_library(${name} MODULE ${ARGN})
  set_target_properties(${name} PROPERTIES
    PREFIX "" SUFFIX ".node"
    CXX_STANDARD ${torch_cxxStandard} CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF
    CXX_VISIBILITY_PRESET hidden
    LIBRARY_OUTPUT_DIRECTORY "${folder}"
    BUILD_RPATH "${torch_libDir}")
  target_compile_definitions(${name} PRIVATE
    NAPI_VERSION=8 _GLIBCXX_USE_CXX11_ABI=${torch_cxx11Abi})
  # SYSTEM: LibTorch's own warnings are not ours
  target_include_directories(${name} SYSTEM PRIVATE ${torch_includeDirs} "${MFM_NODE_HEADERS}")
  target_compile_options(${name} PRIVATE -Wall)
  if(APPLE)
    # Node's own symbols are found when it loads the addon
    target_link_options(${name} PRIVATE -undefined dynamic_lookup)
  endif()
endfunction()
