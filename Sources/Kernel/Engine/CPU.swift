/// One emulated CPU.
package struct CPU: BitwiseCopyable {
  package init() {}
}
