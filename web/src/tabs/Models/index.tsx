export default function Models() {
  return null;
}
