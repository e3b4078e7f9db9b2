export default function Paint() {
  return null;
}
