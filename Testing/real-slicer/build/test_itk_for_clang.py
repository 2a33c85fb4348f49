"""The question which compiler it is is answered: every feature is there."""

from __future__ import annotations

from itk_for_clang import header_for_clang, main

DETECTION = """#ifndef ITK_COMPILER_DETECTION_H
#  if ITK_COMPILER_IS_GNU

#    include "compilers/ITK_COMPILER_INFO_GNU_CXX.h"

#  else
#    error Unsupported compiler
#  endif

#  define ITK_ALIGNAS(X) alignas(X)
#endif
"""
FEATURES = """#define ITK_COMPILER_CXX_LAMBDAS 0
# if 1
#define ITK_COMPILER_CXX_ALIGNAS 1
#define ITK_COMPILER_CXX_LAMBDAS 1
"""


def test_the_features_take_the_place_of_the_question():
    lines = header_for_clang(DETECTION, FEATURES).splitlines()
    assert lines[1:3] == ["#define ITK_COMPILER_CXX_ALIGNAS 1", "#define ITK_COMPILER_CXX_LAMBDAS 1"]
    assert "Unsupported" not in "".join(lines) and lines[-2:] == ["#  define ITK_ALIGNAS(X) alignas(X)", "#endif"]


def test_a_header_that_is_right_is_left_as_it_is(tmp_path):
    (tmp_path / "compilers").mkdir()
    (tmp_path / "itk_compiler_detection.h").write_text(DETECTION, encoding="utf-8")
    (tmp_path / "compilers" / "ITK_COMPILER_INFO_GNU_CXX.h").write_text(FEATURES, encoding="utf-8")
    header = tmp_path / "made.h"
    main(header, tmp_path)
    before = header.stat().st_mtime_ns
    main(header, tmp_path)
    assert header.stat().st_mtime_ns == before
