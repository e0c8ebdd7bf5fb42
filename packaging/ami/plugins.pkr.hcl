# For "packer init", of Packer 1.7 and newer; older ones bring the plugin along and do not know this.
packer {
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = ">= 1.2.0"
    }
  }
}
