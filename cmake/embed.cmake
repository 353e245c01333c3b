# Writes files into a C++ source as byte arrays: cmake -DOUTPUT=… -DBASE=… -DFILES=a|b -P embed.cmake. The result
# defines hutong::api::embedded_files() (adapters/api/static_files.h).
string(REPLACE "|" ";" files "${FILES}")
set(arrays "")
set(entries "")
set(index 0)
foreach(file IN LISTS files)
  file(READ "${BASE}/${file}" hex HEX)
  file(SHA256 "${BASE}/${file}" digest)
  string(SUBSTRING "${digest}" 0 16 tag)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(APPEND arrays "constexpr unsigned char file_${index}[] = {${bytes}0x00};\n")
  string(APPEND entries "      {\"${file}\", {reinterpret_cast<const char*>(file_${index}), sizeof file_${index} - 1}, \"${tag}\"},\n")
  math(EXPR index "${index} + 1")
endforeach()
file(WRITE "${OUTPUT}.new" "// Made by cmake/embed.cmake. Do not edit.
#include \"adapters/api/static_files.h\"

namespace hutong::api {
namespace {
${arrays}}  // namespace

std::span<const EmbeddedFile> embedded_files() {
  static const EmbeddedFile files[] = {
${entries}  };
  return files;
}

}  // namespace hutong::api
")
file(RENAME "${OUTPUT}.new" "${OUTPUT}")
