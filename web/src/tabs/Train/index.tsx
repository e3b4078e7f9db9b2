export default function Train() {
  return null;
}
