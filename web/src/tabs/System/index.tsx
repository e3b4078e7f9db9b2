export default function System() {
  return null;
}
