import Kernel

/// Reads the memory subsystems of a machine that has run.
extension RunResult {
  static func caches(of machine: borrowing Machine) -> [Cache] { [] }
  static func zones(of machine: borrowing Machine) -> [Zone] { [] }
  static func vmalloc(of machine: borrowing Machine) -> Vmalloc {
    Vmalloc(areas: 0, lazyPages: 0, lazyMaxPages: 0, purges: 0, pages: 0, list: [])
  }
  static func wouldReclaim(of machine: borrowing Machine) -> UInt64 { 0 }
}
