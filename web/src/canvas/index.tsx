export default function EditCanvas() {
  return null;
}
