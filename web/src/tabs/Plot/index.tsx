export default function Plot() {
  return null;
}
